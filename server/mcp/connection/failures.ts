import {
  InsufficientScopeError,
  ProtocolError,
  SUPPORTED_PROTOCOL_VERSIONS,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  UnauthorizedError,
  UnsupportedProtocolVersionError,
} from "@modelcontextprotocol/client";
import type { ErrorCode } from "#contract/errors.ts";
import type { FailureEvidence } from "#contract/mcp/failures.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Exit } from "../process/execute.ts";
import { ConnectionFailure } from "./connection-failure.ts";
import { AnswerBroken, findCause, instead, messageOf } from "./error-causes.ts";
import { answerFailure, type SeenAnswer } from "./http-answer.ts";
import { isBroken, isGone, networkFailure } from "./network-failure.ts";

/** What was seen of a server when a connection to it failed. */
export type Circumstances = {
  transport: "stdio" | "http";
  /** Of a process that has ended. */
  exit?: Exit | undefined;
  /** The first text on stdout that was not the protocol. */
  output?: string | undefined;
  /** The last lines of stderr. */
  stderr?: string;
  /** The last HTTP answer that was not MCP. */
  answer?: SeenAnswer | undefined;
  /** The protocol version that the server chose. */
  version?: string | undefined;
};

/** Of the 2026 era; the SDK's own list names those that a session can be of. */
const MODERN_VERSION = "2026-07-28";

/** Failures that the next attempt would only repeat: a person has to change something first. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set([
  "launch_not_approved",
  "launch_refused",
  "mcp_command_not_found",
  "mcp_command_not_executable",
  "mcp_sandbox_unavailable",
  "mcp_unauthorized",
  "mcp_forbidden",
  "mcp_tls_failed",
  "mcp_version_unsupported",
  "mcp_redirect_refused",
  "egress_denied",
  "secret_missing",
  "not_found",
]);
export const isPermanent = (error: AppError): boolean => PERMANENT.has(error.code);

/** Whether it says nothing of the server: the platform's own database was not there. */
export const isOurs = (error: AppError): boolean => error.code === "database_unavailable";

/** The class of a failure on the way to READY. */
export function connectFailure(thrown: unknown, seen: Circumstances): AppError {
  const known = findCause(thrown, (cause) => cause instanceof AppError);
  if (known instanceof AppError) return refusedByUs(known);
  if (seen.exit) return exitedEarly(seen.exit, seen, thrown);
  return versionFailure(thrown, seen) ?? networkFailure(thrown) ?? httpFailure(thrown, seen.answer) ?? silence(thrown, seen);
}

/** Two refusals of the guard have a class of their own. */
function refusedByUs(known: AppError): AppError {
  const reason = "reason" in known ? known.reason : undefined;
  const { message, remedy } = known;
  if (reason === "redirect_refused") return new ConnectionFailure("mcp_redirect_refused", message, { cause: known, remedy });
  if (reason === "answer_too_large") return new ConnectionFailure("mcp_message_too_large", message, { cause: known });
  return known;
}

function exitedEarly(exit: Exit, seen: Circumstances, cause: unknown): ConnectionFailure {
  const message = `The server ended before it was ready (${describeExit(exit)}).${quote(seen.stderr)}`;
  return new ConnectionFailure("mcp_exited", message, {
    cause,
    retryable: true,
    remedy: "Run the command in a terminal with the same arguments and environment; its stderr says what it misses.",
    evidence: evidenceOf(seen),
  });
}

function versionFailure(thrown: unknown, seen: Circumstances): ConnectionFailure | undefined {
  const evidence = evidenceOf(seen);
  const ours = `This client speaks ${[MODERN_VERSION, ...SUPPORTED_PROTOCOL_VERSIONS].join(", ")}.`;
  const unsupported = findCause(thrown, (cause) => cause instanceof UnsupportedProtocolVersionError);
  if (unsupported instanceof UnsupportedProtocolVersionError) {
    const theirs = unsupported.supported.slice(0, 16).join(", ");
    return new ConnectionFailure("mcp_version_unsupported", `The server speaks ${theirs}. ${ours}`, { cause: thrown, evidence });
  }
  if (seen.version === undefined || SUPPORTED_PROTOCOL_VERSIONS.includes(seen.version)) return undefined;
  const message = `The server chose the protocol version ${seen.version.slice(0, 64)}. ${ours}`;
  return new ConnectionFailure("mcp_version_unsupported", message, { cause: thrown, evidence });
}

/** The class of what an HTTP server answered instead of MCP. */
function httpFailure(thrown: unknown, answer: SeenAnswer | undefined): ConnectionFailure | undefined {
  const isAnswer = (cause: unknown): boolean =>
    cause instanceof SdkHttpError ||
    cause instanceof UnauthorizedError ||
    cause instanceof InsufficientScopeError ||
    (cause instanceof SdkError && cause.code === SdkErrorCode.ClientHttpUnexpectedContent);
  const found = findCause(thrown, isAnswer);
  if (found === undefined) return undefined;
  return answerFailure(answer ?? { status: statusOf(found), headers: {}, body: "", challenge: {} }, thrown);
}

function statusOf(found: unknown): number {
  if (found instanceof SdkHttpError) return found.status;
  if (found instanceof UnauthorizedError) return 401;
  return found instanceof InsufficientScopeError ? 403 : 200;
}

/** Neither an end nor a refusal: it said nothing, or nothing that could be understood. */
function silence(thrown: unknown, seen: Circumstances): ConnectionFailure {
  const options = { cause: thrown, evidence: evidenceOf(seen) };
  if (seen.output !== undefined && (isTimeout(thrown) || isClosed(thrown))) {
    return new ConnectionFailure("mcp_output_invalid", "The server writes text to its output, but no MCP messages.", options);
  }
  if (isTimeout(thrown)) {
    const message = `The server did not answer the handshake in time.${quote(seen.stderr)}`;
    return new ConnectionFailure(seen.transport === "stdio" ? "mcp_no_handshake" : "mcp_timeout", message, { ...options, retryable: true });
  }
  const evidence = { ...options.evidence, error: messageOf(thrown) };
  if (isUnreadable(thrown)) {
    const message = `The server's answer to the handshake is no MCP message: ${messageOf(thrown)}`;
    const remedy = "Correct or update the server, or what stands in front of it; its answer must be one JSON-RPC message.";
    return new ConnectionFailure("mcp_output_invalid", message, { ...options, evidence, remedy });
  }
  if (findCause(thrown, (cause) => cause instanceof ProtocolError) !== undefined) {
    const message = `The server answered the handshake with an error: ${messageOf(thrown)}`;
    return new ConnectionFailure("mcp_protocol_error", message, {
      ...options,
      evidence,
      remedy: "Read the server's own words and its logs.",
    });
  }
  return new ConnectionFailure("mcp_handshake_failed", `The handshake failed: ${messageOf(thrown)}`, { ...options, evidence });
}

function evidenceOf({ exit, output, stderr, answer }: Circumstances): FailureEvidence {
  return {
    ...(exit && { exit: describeExit(exit) }),
    ...(output !== undefined && { output }),
    ...(stderr && { stderr }),
    ...(answer && { http: { status: answer.status, headers: answer.headers, body: answer.body } }),
  };
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
export function callFailure(failed: unknown, { transport, repeatable, loss }: CallCircumstances): AppError {
  const thrown = instead(failed);
  const known = findCause(thrown, (cause) => cause instanceof AppError);
  if (known instanceof AppError) return perhapsDone(refusedByUs(known), thrown, repeatable);
  const unknownOutcome = { cause: thrown, retryable: repeatable };
  if (isTimeout(thrown)) return new AppError("mcp_timeout", "The server did not answer in time.", unknownOutcome);
  if (thrown instanceof ProtocolError) {
    return new AppError("mcp_protocol_error", `The server refused the call: ${messageOf(thrown)}`, { cause: thrown });
  }
  if (isSessionGone(thrown)) {
    const message = "The server does not know the session any more (HTTP 404), and has not taken the request; a new session is opened.";
    return new AppError("mcp_server_not_ready", message, { cause: thrown, retryable: true });
  }
  const broken = networkFailure(thrown) ?? httpFailure(thrown, undefined);
  if (broken) return perhapsDone(broken, thrown, repeatable);
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

/** The same failure, which is no reason for another attempt where a second call could do harm and the first one may have got through. */
function perhapsDone(failure: AppError, thrown: unknown, repeatable: boolean): AppError {
  const { code, message, remedy, retryable } = failure;
  if (repeatable || !retryable || isGone(thrown) || !UNCERTAIN.has(code) || isTooMany(failure)) return failure;
  return new AppError(code, message, { cause: failure, remedy });
}
const UNCERTAIN: ReadonlySet<ErrorCode> = new Set(["mcp_connection_refused", "mcp_timeout", "mcp_server_failed"]);
const isTooMany = (failure: AppError): boolean => failure instanceof ConnectionFailure && failure.evidence.http?.status === 429;

/** Whether a failed call shows that the connection itself is lost: nobody listens there, or the session is gone. */
export function endsConnection(failed: unknown): boolean {
  const thrown = instead(failed);
  return isSessionGone(thrown) || isGone(thrown) || (isClosed(thrown) && !(thrown instanceof AnswerBroken));
}

/** Whether it is a reason to look whether the server is still there: what others have under way over the same connection may go on. */
export function doubtsConnection(failed: unknown): boolean {
  const thrown = instead(failed);
  return thrown instanceof AnswerBroken || isBroken(thrown);
}

/** The request was not taken: this is how a server says that it does not know a session any more. */
const isSessionGone = (thrown: unknown): boolean => thrown instanceof SdkHttpError && thrown.status === 404;

/** The failure of a process that had answered the handshake. */
export function lostProcess(exit: Exit | undefined, stderr: string): ConnectionFailure {
  const how = exit ? describeExit(exit) : "its output was closed";
  return new ConnectionFailure("mcp_exited", `The server's process ended (${how}).${quote(stderr)}`, {
    retryable: true,
    likelyCause: "It crashed, was killed (out of memory, by somebody), or ended after its last work.",
    evidence: { exit: how, ...(stderr && { stderr }) },
  });
}

const isTimeout = (thrown: unknown): boolean =>
  findCause(thrown, (cause) => cause instanceof SdkError && cause.code === SdkErrorCode.RequestTimeout) !== undefined;

const isClosed = (thrown: unknown): boolean =>
  thrown instanceof SdkError && (thrown.code === SdkErrorCode.ConnectionClosed || thrown.code === SdkErrorCode.NotConnected);

/** No JSON, or JSON that is no message. */
const isUnreadable = (thrown: unknown): boolean =>
  findCause(thrown, (cause) => cause instanceof SyntaxError || (cause instanceof Error && cause.name === "ZodError")) !== undefined;

export const describeExit = ({ code, signal }: Exit): string => (signal === null ? `exit code ${code}` : `signal ${signal}`);

const QUOTED = 500;
const quote = (stderr: string | undefined): string => (stderr ? ` Its stderr ends with: ${stderr.slice(-QUOTED)}` : "");
