import { ProtocolError, ProtocolErrorCode, SdkErrorCode, SdkError } from "@modelcontextprotocol/client";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import { callFailure } from "../connection/failures.ts";
import { toJson } from "../connection/json-value.ts";
import { tellOf } from "../protocol/request.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Asked, Params } from "./handler.ts";

type Forwarded = { method: string; params: Params; timeoutMs?: number };

/** Asks a server something on behalf of a client, as soon as it is there; its answer comes back as it is. */
export async function forward(
  server: SupervisedServer,
  { method, params, timeoutMs = LIMITS.mcpCallMs }: Forwarded,
  asked: Pick<Asked, "signal"> & Partial<Asked>,
): Promise<Params> {
  const { signal, input, meta, sessionKey, ...hearing } = asked;
  const inTime = (): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const lease = server.lease(sessionKey) ?? (await server.acquire({ sessionKey, signal: inTime() }));
  const { connection } = lease;
  try {
    const sent = { ...params, ...input, ...(meta && { _meta: meta(server) }) };
    return await connection.request({ ...hearing, method, params: sent, timeoutMs, signal });
  } catch (thrown) {
    // What ends the client's session looks like the end of the connection, which others use too.
    if (signal.aborted) throw new AppError("step_cancelled", "The request was cancelled.", { cause: thrown });
    if (thrown instanceof SdkError && thrown.code === SdkErrorCode.MethodNotSupportedByProtocolVersion) throw methodUnknown(method);
    const failure = callFailure(thrown, { transport: connection.transport, repeatable: true, loss: connection.lossReason() });
    tellOf(server, connection, { thrown, failure });
    throw failure;
  } finally {
    lease.release();
  }
}

const methodUnknown = (method: string): ProtocolError => new ProtocolError(ProtocolErrorCode.MethodNotFound, `Method not found: ${method}`);

/** Refusals that must not tell whether the thing exists. */
const HIDDEN: ReadonlySet<string> = new Set([
  "mcp_tool_unknown",
  "mcp_tool_not_approved",
  "mcp_tool_disabled",
  "tool_changed",
  "mcp_server_unknown",
]);
const INVALID: ReadonlySet<string> = new Set(["request_invalid", "cursor_invalid", "not_found", "mcp_uri_refused"]);

/** What a client is told of a failure: the server's own error where it is one, else ours with its code and what to do. */
export function asProtocolError(thrown: unknown, what: string, redactor: Redactor): ProtocolError {
  if (thrown instanceof ProtocolError) return redacted(thrown, redactor);
  const error = toAppError(thrown);
  if (error.cause instanceof ProtocolError) return redacted(error.cause, redactor);
  if (HIDDEN.has(error.code)) return new ProtocolError(ProtocolErrorCode.InvalidParams, what);
  const { code, remedy, retryable, issues } = error;
  const data = redactor.json(toJson({ code, remedy, retryable, issues }));
  const number = INVALID.has(code) ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
  return new ProtocolError(number, redactor.text(error.message), data);
}

function redacted(error: ProtocolError, redactor: Redactor): ProtocolError {
  const data: Json | undefined = error.data === undefined ? undefined : redactor.json(toJson(error.data));
  return new ProtocolError(error.code, redactor.text(error.message), data);
}
