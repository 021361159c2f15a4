import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError, UnauthorizedError } from "@modelcontextprotocol/client";
import type { ErrorCode } from "#contract/errors.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Exit } from "../process/server-process.ts";

/** What was seen of a server when a connection to it failed. */
export type Circumstances = {
  transport: "stdio" | "http";
  /** Of a process that has ended. */
  exit?: Exit | undefined;
  /** Something arrived on stdout that was not the protocol. */
  sawGarbage?: boolean;
  /** The last lines of stderr, redacted. */
  stderr?: string;
};

/** Failures that the next attempt would only repeat: a person has to change something first. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set([
  "launch_not_approved",
  "launch_refused",
  "mcp_command_not_found",
  "mcp_unauthorized",
  "egress_denied",
  "secret_missing",
  "not_found",
]);
export const isPermanent = (error: AppError): boolean => PERMANENT.has(error.code);

const REFUSED = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_SOCKET",
]);

/** The class of a failure on the way to READY. */
export function connectFailure(thrown: unknown, seen: Circumstances): AppError {
  const known = findCause(thrown, (cause) => cause instanceof AppError);
  if (known instanceof AppError) return known;
  if (seen.exit) {
    return new AppError("mcp_exited", `The server ended before it was ready (${describeExit(seen.exit)}).${quote(seen.stderr)}`, {
      cause: thrown,
      retryable: true,
    });
  }
  const byStatus = httpFailure(thrown);
  if (byStatus) return byStatus;
  if (isTimeout(thrown)) {
    return seen.sawGarbage
      ? new AppError("mcp_handshake_failed", "The server writes text to its output, but no MCP messages.", { cause: thrown })
      : new AppError("mcp_timeout", `The server did not answer the handshake in time.${quote(seen.stderr)}`, {
          cause: thrown,
          retryable: true,
        });
  }
  return new AppError("mcp_handshake_failed", `The handshake failed: ${messageOf(thrown)}`, { cause: thrown });
}

type CallCircumstances = {
  transport: "stdio" | "http";
  repeatable: boolean;
  /** Why the connection is lost, if it is. */
  loss?: AppError | undefined;
};

/**
 * The class of a failed call. `repeatable` says whether a second call could do harm: where the first one's outcome is not
 * known, only a harmless call may be tried again.
 */
export function callFailure(thrown: unknown, { transport, repeatable, loss }: CallCircumstances): AppError {
  const known = findCause(thrown, (cause) => cause instanceof AppError);
  if (known instanceof AppError) return known;
  const unknownOutcome = { cause: thrown, retryable: repeatable };
  if (isTimeout(thrown)) return new AppError("mcp_timeout", "The tool did not answer in time.", unknownOutcome);
  if (thrown instanceof ProtocolError) {
    return new AppError("mcp_protocol_error", `The server refused the call: ${messageOf(thrown)}`, { cause: thrown });
  }
  const byStatus = httpFailure(thrown);
  if (byStatus) return byStatus;
  if (isClosed(thrown) && loss) return new AppError(loss.code, loss.message, unknownOutcome);
  if (isClosed(thrown)) {
    return transport === "stdio"
      ? new AppError("mcp_exited", "The server's process ended during the call.", unknownOutcome)
      : new AppError("mcp_connection_refused", "The connection to the server broke during the call.", unknownOutcome);
  }
  return new AppError("mcp_protocol_error", `The server's answer cannot be used: ${messageOf(thrown)}`, {
    cause: thrown,
    remedy: "Correct or update the server; its answer does not follow the protocol.",
  });
}

/** Whether a failed call shows that the connection itself is lost: nobody listens there, or the session is gone. */
export function endsConnection(thrown: unknown): boolean {
  if (thrown instanceof SdkHttpError && thrown.status === 404) return true;
  return isRefused(thrown) || isClosed(thrown);
}

function httpFailure(thrown: unknown): AppError | undefined {
  const status = findCause(thrown, (cause) => cause instanceof SdkHttpError);
  const denied = findCause(thrown, (cause) => cause instanceof UnauthorizedError) !== undefined;
  if (denied || (status instanceof SdkHttpError && (status.status === 401 || status.status === 403))) {
    return new AppError("mcp_unauthorized", "The server wants a credential, or does not accept the one it got.", { cause: thrown });
  }
  if (isRefused(thrown))
    return new AppError("mcp_connection_refused", `Nothing answers at the address: ${rootMessage(thrown)}`, {
      cause: thrown,
      retryable: true,
    });
  if (status instanceof SdkHttpError) {
    return new AppError("mcp_handshake_failed", `The address answered with HTTP ${status.status}, not with MCP.`, {
      cause: thrown,
      retryable: status.status >= 500,
    });
  }
  return undefined;
}

const isTimeout = (thrown: unknown): boolean =>
  findCause(thrown, (cause) => cause instanceof SdkError && cause.code === SdkErrorCode.RequestTimeout) !== undefined;

const isClosed = (thrown: unknown): boolean =>
  thrown instanceof SdkError && (thrown.code === SdkErrorCode.ConnectionClosed || thrown.code === SdkErrorCode.NotConnected);

const isRefused = (thrown: unknown): boolean =>
  findCause(thrown, (cause) => cause instanceof Error && "code" in cause && REFUSED.has(String(cause.code))) !== undefined;

/** The first of an error and its causes that fits. The SDK keeps some causes in `data`, `fetch` some in a list. */
function findCause(thrown: unknown, fits: (cause: unknown) => boolean): unknown {
  const open: unknown[] = [thrown];
  for (let looked = 0; open.length > 0 && looked < 32; looked += 1) {
    const cause = open.shift();
    if (fits(cause)) return cause;
    if (cause instanceof Error) open.push(cause.cause);
    if (cause instanceof AggregateError) open.push(...cause.errors);
    if (cause instanceof SdkError && typeof cause.data === "object" && cause.data !== null && "cause" in cause.data)
      open.push(cause.data.cause);
  }
  return undefined;
}

function rootMessage(thrown: unknown): string {
  const root = findCause(thrown, (cause) => cause instanceof Error && "code" in cause && REFUSED.has(String(cause.code)));
  return messageOf(root ?? thrown);
}

const LONGEST = 500;
export const messageOf = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message || thrown.name : String(thrown)).slice(0, LONGEST);

export const describeExit = ({ code, signal }: Exit): string => (signal === null ? `exit code ${code}` : `signal ${signal}`);

const quote = (stderr: string | undefined): string => (stderr ? ` Its stderr ends with: ${stderr.slice(-LONGEST)}` : "");
