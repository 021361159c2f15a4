import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  LOG_LEVEL_META_KEY,
  PROTOCOL_VERSION_META_KEY,
  ProtocolError,
  ProtocolErrorCode,
  SdkError,
  SdkErrorCode,
  type JSONRPCErrorResponse,
  type JSONRPCRequest,
  type JSONRPCResultResponse,
  type RequestId,
  type Result,
} from "@modelcontextprotocol/server";
import { isRecord } from "../connection/json-value.ts";
import type { Asked, Handler, Params } from "./handler.ts";
import type { Request } from "./asked.ts";

type Deps = {
  handler: Handler;
  askedBy: (request: Request) => Asked;
  /** What the client is told of a failure. */
  failure: (thrown: unknown, params: Params) => ProtocolError;
};

/** What a call may tell before its answer. */
export type Tell = Request["notify"];
type Answer = JSONRPCResultResponse | JSONRPCErrorResponse;

/** Words of the 2026 era, which a client of the 2025 era has no business to use: they would speak for us to the server. */
const RESERVED: ReadonlySet<string> = new Set([
  PROTOCOL_VERSION_META_KEY,
  CLIENT_INFO_META_KEY,
  CLIENT_CAPABILITIES_META_KEY,
  LOG_LEVEL_META_KEY,
]);

/**
 * The `tools/call` requests of one session of the 2025 era. They do not take the SDK's server, which parses each message, its
 * parameters and its result several times over: all of that has been judged by then, and a call is what everybody waits for.
 */
export class SessionCalls {
  readonly #deps: Deps;
  readonly #open = new Map<RequestId, AbortController>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Never rejects. Undefined when the request was cancelled: then there is no answer. */
  async answer({ id, params = {} }: JSONRPCRequest, tell: Tell): Promise<Answer | undefined> {
    const over = new AbortController();
    this.#open.set(id, over);
    const answer = await this.#answer({ id, params, tell, signal: over.signal });
    this.#open.delete(id);
    return over.signal.aborted ? undefined : { jsonrpc: "2.0", id, ...answer };
  }

  /** `reason` is what the client says, or why it cannot hear the answer any more. */
  cancel(id: RequestId, reason: unknown): void {
    this.#open.get(id)?.abort(reason);
  }

  /** Cancels all of them. */
  close(): void {
    for (const over of this.#open.values()) over.abort(new SdkError(SdkErrorCode.ConnectionClosed, "The session has ended."));
  }

  async #answer({
    id,
    params,
    tell,
    signal,
  }: {
    id: RequestId;
    params: Params;
    tell: Tell;
    signal: AbortSignal;
  }): Promise<{ result: Result } | Pick<JSONRPCErrorResponse, "error">> {
    try {
      checkShape(params);
      const asked = this.#deps.askedBy({ id, _meta: metaOf(params), signal, notify: tell });
      return { result: await this.#deps.handler(params, asked) };
    } catch (thrown) {
      const { code, message, data } = this.#deps.failure(thrown, params);
      return { error: { code, message, ...(data !== undefined && { data }) } };
    }
  }
}

function checkShape({ name, arguments: args, _meta: meta }: Params): void {
  if (typeof name !== "string") throw invalid("expected `name` to be a string");
  if (args !== undefined && !isRecord(args)) throw invalid("expected `arguments` to be an object");
  if (meta !== undefined && !isRecord(meta)) throw invalid("expected `_meta` to be an object");
}

const invalid = (why: string): ProtocolError => new ProtocolError(ProtocolErrorCode.InvalidParams, `Invalid tools/call request: ${why}.`);

function metaOf({ _meta: meta }: Params): Params | undefined {
  if (!isRecord(meta) || !Object.keys(meta).some((key) => RESERVED.has(key))) return isRecord(meta) ? meta : undefined;
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !RESERVED.has(key)));
}
