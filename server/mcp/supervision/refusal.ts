import { AppError } from "#server/kernel/errors.ts";
import type { ServerRecord } from "../registration/server-record.ts";

/** Why a server that is not up cannot be called. */
export function refusalOf({ id, name, state, lastError, quarantine }: ServerRecord): AppError {
  if (quarantine !== null) {
    const { reason, by, since } = quarantine;
    return new AppError("mcp_server_quarantined", `The server ${name} was taken out by ${by} at ${since}: ${reason}`, {
      remedy: `Find out why, then release it: POST /api/v1/mcp-servers/${id}/release.`,
    });
  }
  const why = lastError === null ? "" : ` ${lastError.message}`;
  return new AppError("mcp_server_not_ready", `The server ${name} is ${state}.${why}`, { retryable: true });
}
