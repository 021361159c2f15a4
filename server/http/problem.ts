import { STATUS_CODES } from "node:http";
import { classOf } from "#contract/error-classes.ts";
import type { ErrorCode, Issue, Problem } from "#contract/errors.ts";
import { AppError } from "#server/kernel/errors.ts";

/**
 * The HTTP status of every error code. A code without a line here does not compile. 424 says that the platform did its
 * part and an outside party (server, agent, model) failed: 5xx is kept for failures of the platform itself.
 */
export const HTTP_STATUS = {
  request_malformed: 400,
  request_timeout: 408,
  headers_too_large: 431,
  body_malformed: 400,
  body_too_large: 413,
  body_too_deep: 422,
  content_type_unsupported: 415,
  request_invalid: 422,
  route_not_found: 404,
  method_not_allowed: 405,
  rate_limited: 429,
  cursor_invalid: 422,
  idempotency_conflict: 409,
  unauthenticated: 401,
  permission_denied: 403,
  origin_refused: 403,
  link_used: 410,
  not_found: 404,
  name_taken: 409,
  conflict: 409,
  workflow_invalid: 422,
  version_unknown: 404,
  definition_version_unsupported: 422,
  expression_invalid: 422,
  expression_failed: 422,
  expression_timeout: 422,
  expression_too_large: 422,
  input_invalid: 422,
  run_transition_invalid: 409,
  run_not_waiting: 409,
  run_lost: 409,
  run_depth_exceeded: 422,
  run_timeout: 424,
  run_dead: 409,
  run_failed_below: 424,
  fork_point_unknown: 422,
  fork_too_large: 422,
  editor_only: 422,
  signal_unknown: 422,
  inbox_full: 429,
  approval_rejected: 409,
  approval_expired: 409,
  approval_closed: 409,
  approval_not_yours: 403,
  grant_invalid: 403,
  join_unsatisfied: 422,
  loop_exhausted: 422,
  team_limit: 422,
  team_answer_invalid: 424,
  http_failed: 424,
  code_failed: 422,
  code_timeout: 422,
  code_memory: 422,
  concurrency_timeout: 429,
  step_timeout: 424,
  step_cancelled: 409,
  step_in_doubt: 409,
  step_output_too_large: 422,
  map_too_large: 422,
  secret_missing: 422,
  schedule_invalid: 422,
  webhook_signature_invalid: 401,
  webhook_replayed: 409,
  mcp_server_unknown: 404,
  mcp_server_not_ready: 409,
  mcp_server_quarantined: 409,
  mcp_sessions_full: 503,
  mcp_tool_unknown: 404,
  mcp_tool_not_approved: 403,
  mcp_tool_disabled: 403,
  tool_suspicious: 409,
  tool_changed: 409,
  launch_refused: 422,
  launch_not_approved: 403,
  mcp_command_not_found: 422,
  mcp_command_not_executable: 422,
  mcp_exited: 424,
  mcp_over_limit: 424,
  mcp_sandbox_unavailable: 422,
  mcp_handshake_failed: 424,
  mcp_no_handshake: 424,
  mcp_output_invalid: 424,
  mcp_version_unsupported: 424,
  mcp_connection_refused: 424,
  mcp_dns_failed: 424,
  mcp_tls_failed: 424,
  mcp_unauthorized: 424,
  mcp_forbidden: 424,
  mcp_endpoint_wrong: 424,
  mcp_server_failed: 424,
  mcp_redirect_refused: 424,
  mcp_timeout: 424,
  mcp_uri_refused: 422,
  mcp_prompt_unknown: 404,
  mcp_prompt_suspicious: 422,
  mcp_unsupported: 422,
  mcp_input_required: 409,
  mcp_resume_invalid: 409,
  mcp_input_refused: 424,
  mcp_protocol_error: 424,
  mcp_message_too_large: 424,
  mcp_schema_unusable: 422,
  mcp_breaker_open: 503,
  tool_failed: 424,
  frame_search_too_long: 422,
  frame_not_replayable: 409,
  agent_unknown: 404,
  agent_offline: 409,
  agent_failed: 424,
  agent_timeout: 424,
  agent_protocol_error: 424,
  agent_rejected: 424,
  agent_suspicious: 422,
  agent_auth_required: 424,
  agent_input_required: 424,
  agent_unreachable: 424,
  model_unknown: 404,
  model_failed: 424,
  model_rate_limited: 429,
  egress_denied: 403,
  database_unavailable: 503,
  unavailable: 503,
  config_invalid: 500,
  data_dir_in_use: 500,
  port_in_use: 500,
  backup_invalid: 422,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** RFC 9457 problem details of an error. */
export function problemOf(error: AppError, requestId: string): Problem {
  return {
    type: `urn:auterity:problem:${error.code}`,
    title: title(error.code),
    status: HTTP_STATUS[error.code],
    code: error.code,
    detail: error.message,
    remedy: error.remedy,
    class: classOf(error.code, error),
    requestId,
    ...(error.issues && { issues: [...error.issues] }),
    ...(error.input && { input: error.input }),
  };
}

const title = (code: ErrorCode): string => code.charAt(0).toUpperCase() + code.slice(1).replaceAll("_", " ");

/** Fastify's and Node's own errors about a request, by their code. Whatever is not here and not an `AppError` is a bug of ours. */
const FOREIGN: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ["body_too_large", "The body is larger than the limit."],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ["content_type_unsupported", "Expected `content-type: application/json`."],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ["request_malformed", "The body's length differs from `content-length`."],
  FST_ERR_BAD_URL: ["request_malformed", "The URL is not well formed."],
  FST_ERR_INVALID_URL: ["request_malformed", "The URL is not well formed."],
  FST_ERR_MAX_PARAM_LENGTH: ["not_found", "There is nothing here with such a long name."],
  FST_ERR_NOT_FOUND: ["route_not_found", "There is nothing at this path."],
  ECONNRESET: ["request_malformed", "The connection ended before the request did."],
  ERR_HTTP_REQUEST_TIMEOUT: ["request_timeout", "The request did not arrive in time."],
  HPE_HEADER_OVERFLOW: ["headers_too_large", "The headers are larger than the limit."],
};

/** What a thrown thing means to a caller. Anything unexpected becomes `internal`, with the thing itself only as its cause. */
export function errorOf(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const [code, message] = FOREIGN[codeOf(thrown)] ?? [];
  if (code && message) return new AppError(code, message, { cause: thrown });
  return new AppError("internal", "Something unexpected happened.", { cause: thrown });
}

/** What a broken connection means: Node reports it before there is a request. */
export function connectionErrorOf(thrown: unknown): AppError {
  const known = errorOf(thrown);
  return known.code === "internal" ? new AppError("request_malformed", "This is not a well-formed HTTP request.") : known;
}

/** A whole HTTP/1.1 answer, for sockets that have no response object. */
export function rawAnswer(error: AppError, requestId: string): string {
  const problem = problemOf(error, requestId);
  const body = JSON.stringify(problem);
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? "Error"}`,
    "content-type: application/problem+json; charset=utf-8",
    "cache-control: no-store",
    "connection: close",
    `content-length: ${Buffer.byteLength(body)}`,
    "",
    body,
  ].join("\r\n");
}

export const requestInvalid = (where: string, issues: readonly Issue[]): AppError =>
  new AppError("request_invalid", `The ${where} does not fit: ${summary(issues)}`, { issues });

const SHOWN = 3;
function summary(issues: readonly Issue[]): string {
  const shown = issues.slice(0, SHOWN).map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  return shown.join("; ") + (issues.length > SHOWN ? `; and ${issues.length - SHOWN} more.` : ".");
}

function codeOf(thrown: unknown): string {
  return typeof thrown === "object" && thrown !== null && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
}
