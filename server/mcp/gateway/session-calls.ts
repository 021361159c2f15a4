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
type Tell = Request["notify"];
type Answer = JSONRPCResultResponse | JSONRPCErrorResponse;
type Call = { id: RequestId; params: Params; tell: Tell; signal: AbortSignal };

/** Words of the 2026 era, which a client of the 2025 era has no business to use: they would speak for us to the server. */
const RESERVED: ReadonlySet<string> = new Set([
  PROTOCOL_VERSION_META_KEY,
  CLIENT_INFO_META_KEY,
  CLIENT_CAPABILITIES_META_KEY,
  LOG_LEVEL_META_KEY,
]);

/**
 * The `tools/call` requests of one session of the 2025 era. They do not take the SDK's server, which parses each message, its
 * parameters and its result several times over (`docs/decisions/0012`). What `Protocol._onrequest` and `Server._wrapHandler` do
 * besides is done here: one signal per request, no answer to a cancelled one, a check of the shape, reserved words and error codes.
 */
export class SessionCalls {
  readonly #deps: Deps;
  readonly #open = new Map<RequestId, AbortController>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Never rejects. Undefined when the request was cancelled: then there is no answer, and nothing is told any more. */
  async answer({ id, params = {} }: JSONRPCRequest, tell: Tell): Promise<Answer | undefined> {
    const over = new AbortController();
    const { signal } = over;
    this.#open.set(id, over);
    const tellWhileOpen: Tell = async (told) => (signal.aborted ? undefined : tell(told));
    const answer = await this.#answer({ id, params, tell: tellWhileOpen, signal });
    // A client may use the id of a cancelled request again.
    if (this.#open.get(id) === over) this.#open.delete(id);
    return signal.aborted ? undefined : { jsonrpc: "2.0", id, ...answer };
  }

  /** `reason`: what the client says, or why it cannot hear the answer any more. */
  cancel(id: RequestId, reason: string): void {
    this.#open.get(id)?.abort(reason);
  }

  /** Cancels all of them. */
  close(): void {
    for (const over of this.#open.values()) over.abort(new SdkError(SdkErrorCode.ConnectionClosed, "The session has ended."));
  }

  async #answer({ id, params, tell, signal }: Call): Promise<Pick<JSONRPCResultResponse, "result"> | Pick<JSONRPCErrorResponse, "error">> {
    try {
      checkShape(params);
      const asked = this.#deps.askedBy({ id, _meta: metaOf(params), signal, notify: tell });
      return { result: await this.#deps.handler(params, asked) };
    } catch (thrown) {
      const { code, message, data } = this.#deps.failure(thrown, params);
      const known = code === RESOURCE_NOT_FOUND ? ProtocolErrorCode.InvalidParams : code;
      return { error: { code: known, message, ...(data !== undefined && { data }) } };
    }
  }
}

/** A code of servers of this era that the next one has given up; the SDK's codec writes it as this too. */
const RESOURCE_NOT_FOUND = -32_002;

function checkShape({ name, arguments: args, _meta: meta }: Params): void {
  if (typeof name !== "string") throw invalid("expected `name` to be a string");
  if (args !== undefined && !isRecord(args)) throw invalid("expected `arguments` to be an object");
  if (meta === undefined) return;
  if (!isRecord(meta)) throw invalid("expected `_meta` to be an object");
  const { progressToken: token } = meta;
  if (token !== undefined && typeof token !== "string" && !Number.isSafeInteger(token))
    throw invalid("expected `_meta.progressToken` to be a string or an integer");
}

const invalid = (why: string): ProtocolError => new ProtocolError(ProtocolErrorCode.InvalidParams, `Invalid tools/call request: ${why}.`);

function metaOf({ _meta: meta }: Params): Params | undefined {
  if (!isRecord(meta)) return undefined;
  if (!Object.keys(meta).some((key) => RESERVED.has(key))) return meta;
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !RESERVED.has(key)));
}
