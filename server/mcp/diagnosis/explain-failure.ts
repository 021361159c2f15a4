import { classOf } from "#contract/error-classes.ts";
import type { ErrorCode } from "#contract/errors.ts";
import { FAILURE_CAUSES, isFailureCode, type ConnectionFailureView, type FailureEvidence } from "#contract/mcp/failures.ts";
import type { AppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import { ConnectionFailure } from "../connection/connection-failure.ts";

/** Likely causes of what is no failed connection. */
const OTHER_CAUSES: Partial<Record<ErrorCode, string>> = {
  mcp_server_quarantined: "Somebody, or a rule about servers that misbehave, has taken it out.",
  mcp_tool_unknown: "The name is wrong, or the server does not offer this tool any more.",
  mcp_tool_not_approved: "Nobody has decided about the tool yet, or somebody has decided against it.",
  mcp_tool_disabled: "Somebody has taken the tool out of use.",
  tool_changed: "The server lists the tool otherwise than it was approved.",
  tool_suspicious: "The tool's texts look as if they were meant to mislead a model.",
  tool_failed: "The arguments make no sense to the tool, or what it depends on does not work.",
  mcp_schema_unusable: "The server's schema is broken, or too large to be judged by.",
};

export const causeOf = (error: AppError): string => {
  if (error instanceof ConnectionFailure) return error.likelyCause;
  return isFailureCode(error.code) ? FAILURE_CAUSES[error.code] : (OTHER_CAUSES[error.code] ?? "");
};

/** A failure as a report shows it: redacted. `seen` is what was seen beside the failure's own evidence. */
export function explainFailure(error: AppError, redactor: Redactor, seen: FailureEvidence): ConnectionFailureView {
  const { code, message, remedy } = error;
  const evidence = { ...seen, ...(error instanceof ConnectionFailure && error.evidence) };
  return redactor.json({ code, class: classOf(code, error), message, cause: causeOf(error), remedy, evidence });
}
