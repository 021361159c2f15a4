import { z } from "zod";
import { Json } from "./common.ts";

/**
 * Every error a caller can meet. The HTTP status of each lives in one exhaustive table (`server/http/problem.ts`);
 * the sentence that says what to do next is `REMEDY`, unless the place that throws knows a better one.
 */
export const REMEDY = {
  // the request itself
  request_malformed: "Send a well-formed HTTP/1.1 request.",
  request_timeout: "Send the whole request without long pauses.",
  headers_too_large: "Send fewer or shorter headers, cookies included.",
  body_malformed: "Send one valid JSON document in UTF-8.",
  body_too_large: "Send a smaller body, or store the large value first and pass its reference.",
  body_too_deep: "Flatten the document; nesting is limited.",
  content_type_unsupported: "Send `content-type: application/json`.",
  request_invalid: "Correct the named fields and send the request again.",
  route_not_found: "See /docs for the paths that exist.",
  method_not_allowed: "Use one of the methods in the `allow` header.",
  rate_limited: "Wait for the time in the `retry-after` header, then try again.",
  cursor_invalid: "Start again from the first page, without a cursor.",
  idempotency_conflict: "Use a new Idempotency-Key for a different request.",
  // access
  unauthenticated: "Send `authorization: Bearer <token>`, or open the sign-in link that the server printed.",
  permission_denied: "Ask an owner for a role that has the named permission.",
  origin_refused: "Open the page from the server's own address.",
  link_used: "Ask the server for a new sign-in link: `auterity link`.",
  // things
  not_found: "Check the id; it may belong to another workspace or be deleted.",
  name_taken: "Choose another name.",
  conflict: "Read the current state and try again.",
  // workflows
  workflow_invalid: "Correct the listed problems; `POST /api/v1/workflows/{id}/validate` checks without saving.",
  version_unknown: "List the versions of this workflow and use one of them.",
  definition_version_unsupported: 'Write the definition with `"version": 2`.',
  // expressions
  expression_invalid: "Correct the expression at the named position.",
  expression_failed: "Check the values that the expression reads.",
  expression_timeout: "Simplify the expression or move the work into an agent.",
  expression_too_large: "Reduce the size of the result.",
  // runs
  input_invalid: "Send an input that fits the workflow's input schema.",
  run_transition_invalid: "Read the run's status; final runs can be retried as a new run.",
  run_not_waiting: "Only a run that waits for an answer can be resumed.",
  run_depth_exceeded: "Let fewer levels of runs start one another.",
  run_timeout: "Raise the definition's `timeoutMs`, or make its steps faster.",
  run_dead: "Read the reason, remove its cause, and requeue the run.",
  run_failed_below: "Open the child run; its own error says what to do.",
  fork_point_unknown: "List the run's steps and name one that has begun.",
  fork_too_large: "Start it again with `from: start`, or as a new run; such a long journal is not copied.",
  editor_only: "Start the run with `mode: editor`; production runs take no pins, breakpoints or single nodes.",
  signal_unknown: "Name a signal that the workflow waits for.",
  inbox_full: "Wait until the run has taken up what it was told.",
  approval_rejected: "Read the comment of who rejected it.",
  approval_expired: "Nobody decided in time; ask again, or raise the deadline.",
  approval_closed: "Nothing to do: it is decided, expired or cancelled.",
  approval_not_yours: "Ask one of the named approvers, or have them delegate it to you.",
  grant_invalid: "Ask for approval of exactly these arguments; a grant covers one step, once.",
  join_unsatisfied: "Let more of the branches that lead to the join succeed, or ask for fewer.",
  loop_exhausted: "Raise the loop's `max`, or correct its `while`.",
  team_limit: "Raise the team's limits, or give it a smaller task.",
  team_answer_invalid: "Tell the member in its instructions how to answer.",
  http_failed: "Read the answer of the other side.",
  code_failed: "Correct the code at the named line.",
  code_timeout: "Let the code do less, or raise the step's `policy.timeoutMs`.",
  code_memory: "Let the code keep less in memory at once.",
  concurrency_timeout: "Raise the limit, or wait until others are done.",
  run_lost: "Nothing to do: another worker has taken this run over.",
  step_timeout: "Raise the step's `policy.timeoutMs`, or make the agent answer faster.",
  step_cancelled: "Start a new run, or retry this one.",
  step_in_doubt: "Find out whether the effect happened and answer the run's question.",
  step_output_too_large: "Return less, or store the value and return its reference.",
  map_too_large: "Split the list into several runs.",
  secret_missing: "Store the secret (`PUT /api/v1/secrets/{name}`), or correct its name.",
  // triggers
  schedule_invalid: "Correct the cron or the time zone; `POST /api/v1/schedules/preview` checks without saving.",
  webhook_signature_invalid: "Sign the bytes of the body with the webhook's current secret, in the header that the webhook names.",
  webhook_replayed: "Send each delivery under an id of its own, signed when it is sent.",
  // MCP
  mcp_server_unknown: "Register the server, or correct its name.",
  mcp_server_not_ready: "Look at the server's state and logs; start it if it is stopped.",
  mcp_server_quarantined: "Find out why the server was taken out, then release it.",
  mcp_sessions_full: "Wait until a session ends, or let the server have more of them.",
  mcp_tool_unknown: "List the server's tools and use one of them.",
  mcp_tool_not_approved: "Approve the tool before using it: `POST /api/v1/tools/{id}/approve`.",
  mcp_tool_disabled: "Enable the tool, if it may be used again.",
  tool_suspicious: "Read the findings; approve with `acceptFindings: true` if they are harmless.",
  tool_changed: "Review the changed definition and approve it.",
  launch_not_approved: "An owner must approve exactly this launch: `POST /api/v1/mcp-servers/{id}/approve`.",
  launch_refused: "Remove what is named; no approval can allow it.",
  mcp_command_not_found: "Install the command, or correct its path.",
  mcp_command_not_executable: "Make the file executable (`chmod +x`), or name the program that runs it as the command.",
  mcp_exited: "Read the server's stderr; it ended before or during the call.",
  mcp_over_limit: "Find out why the server needs so much, or raise the cap in its launch and approve it.",
  mcp_sandbox_unavailable: "Install bubblewrap (bwrap) and allow it to make user namespaces, or take the sandbox out of the launch.",
  mcp_handshake_failed: "Check that the command or address really is an MCP server.",
  mcp_no_handshake: "Run the command in a terminal: it must answer the first line that it reads on stdin.",
  mcp_output_invalid: "Let the server write MCP messages to its output and everything else to stderr.",
  mcp_version_unsupported: "Update the server, or use a version of it that speaks a protocol version named here.",
  mcp_connection_refused: "Check that the server runs at the registered address.",
  mcp_dns_failed: "Correct the host name, or check the name server that this machine asks.",
  mcp_tls_failed: "Give the server a certificate that is valid for this name and signed by an authority that this machine trusts.",
  mcp_unauthorized:
    'Store the credential that the server asks for as a secret (`Bearer …` and all), and name it in the launch: `"authorization": "secret:<name>"` among the headers.',
  mcp_forbidden: "Use a credential with the right that the server asks for.",
  mcp_endpoint_wrong: "Correct the path of the address: many servers answer at `/mcp` or `/sse`.",
  mcp_server_failed: "Look into the server's own logs; the platform tries again by itself.",
  mcp_redirect_refused: "Register the address that the server redirects to.",
  mcp_timeout: "Raise the timeout, or check why the server does not answer.",
  mcp_uri_refused: "List the server's resources and templates, and use an address as they have it.",
  mcp_prompt_unknown: "List the server's prompts and use one of them.",
  mcp_prompt_suspicious:
    "Read it at `/mcp/servers/<name>` or with `POST …/prompts/{name}/get`; an approver may set `settings.allowFlagged`.",
  mcp_unsupported: "Look at the server's capabilities; it does not offer this.",
  mcp_input_required: "Answer the questions under `input`, and make the same call again with `resume: {token, answers}`.",
  mcp_resume_invalid: "Make the call again without `resume`; a token works once, for a while, for the same caller, tool and arguments.",
  mcp_input_refused: "Allow it in the server's settings, or use a tool that does not need it.",
  mcp_protocol_error: "Correct the arguments; the server refused the request.",
  mcp_message_too_large: "Let the server send less at once, for example in pages or as a resource link.",
  mcp_schema_unusable: "Simplify the tool's schema, or write the arguments by hand.",
  mcp_breaker_open: "Wait: one call is let through from time to time to see whether there are answers again.",
  tool_failed: "Read the tool's own message.",
  frame_search_too_long: "Ask for less: one run, one exchange, one server, or a shorter time by `since` and `until`.",
  frame_not_replayable: "Make the call anew, with the arguments that you mean.",
  // agents and models
  agent_unknown: "Register the agent, or correct its name.",
  agent_offline: "Start the agent's process; it connects by itself.",
  agent_failed: "Read the agent's own message.",
  agent_timeout: "Raise the timeout, or check why the agent does not answer.",
  agent_protocol_error: "Update the agent; its answer does not follow the protocol.",
  agent_rejected: "Read the agent's reason; it has declined the task.",
  agent_auth_required: "Store the credential that the agent asks for, then retry.",
  agent_input_required: "Give the agent everything it needs in one message.",
  agent_suspicious: "Read the findings; register with `acceptFindings: true` if they are harmless.",
  agent_unreachable: "Check the agent's address and that it runs.",
  model_unknown: "List the models and use one of them.",
  model_failed: "Read the provider's message; check the key and the model's name.",
  model_rate_limited: "Wait, or lower the concurrency of the step.",
  // egress
  egress_denied: "An owner must allow this host and port for this purpose.",
  // platform
  database_unavailable: "Check that PostgreSQL runs; the platform reconnects by itself.",
  unavailable: "The server is starting or stopping; try again shortly.",
  config_invalid: "Correct the named setting.",
  data_dir_in_use: "Stop the other instance, or choose another AUTERITY_DATA_DIR.",
  port_in_use: "Stop what listens there, or choose another AUTERITY_PORT.",
  backup_invalid: "Use a file that `auterity backup` wrote.",
  internal: "This is a bug; report it with the request id.",
} as const;

/** `retryable`: the same again may succeed. `needs_person`: somebody must decide, allow or correct something first. `fatal`: it will fail again. */
export const ERROR_CLASSES = ["retryable", "needs_person", "fatal"] as const;
export const ErrorClass = z.enum(ERROR_CLASSES);
export type ErrorClass = z.infer<typeof ErrorClass>;

export type ErrorCode = keyof typeof REMEDY;
export const ERROR_CODES = Object.keys(REMEDY) as readonly ErrorCode[];

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(REMEDY, code);
}

/** One thing wrong with a request or definition: where (a JSON path), and what was expected. */
export const Issue = z.object({
  path: z.string(),
  message: z.string(),
  /** The node, when the problem is in a workflow definition. */
  nodeId: z.string().optional(),
  /** Zero-based offset inside the expression, when the problem is in one. */
  position: z.number().int().optional(),
  code: z.string().optional(),
});
export type Issue = z.infer<typeof Issue>;

/** RFC 9457 problem details. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
  remedy: z.string(),
  /** What it takes to go on. */
  class: ErrorClass,
  requestId: z.string(),
  issues: z.array(Issue).optional(),
  /** Of `mcp_input_required`: the `questions` by their keys, the token to `resume` with, and when it `expiresAt`. */
  input: z.record(z.string(), Json).optional(),
});
export type Problem = z.infer<typeof Problem>;
