import { setTimeout as sleep } from "node:timers/promises";
import {
  Client,
  LOG_LEVEL_META_KEY,
  isInputRequiredResult,
  SdkError,
  SdkErrorCode,
  isSpecType,
  type CallToolRequest,
  type CallToolResult,
  type ClientCapabilities,
  type ClientOptions,
  type Implementation,
  type JSONRPCErrorResponse,
  type JSONRPCNotification,
  type JSONRPCResponse,
  type LoggingLevel,
  type MessageExtraInfo,
  type RequestOptions,
  type Tool,
} from "@modelcontextprotocol/client";
import type { ServerSettings } from "#contract/mcp/settings.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import { isRecord } from "./json-value.ts";
import { perSecond } from "./per-second.ts";
import { InputWanted, OpenCall, callOf, currentCall, inCall, type CallOptions } from "./open-call.ts";
import { PipedCalls } from "./piped-calls.ts";
import {
  allowed,
  answerInput,
  capabilitiesFor,
  checkInput,
  elicit,
  listRoots,
  refused,
  sample,
  type Answering,
} from "./server-requests.ts";
import type { StdioTransport } from "./stdio-transport.ts";

/** So long after it was given up, a request may still be what the server's next question is about. */
const AFTERMATH_MS = 10_000;

/** A server that asks again and again is given up. */
const MOST_ROUNDS = 10;
/** Before a call is made again without any answer, only because the server says so. */
const AGAIN_MS = 250;
/** What a server may give us to keep between two rounds. */
const STATE_CHARS = 64 * 1024;
const SETTLE_MS = 10_000;
const MESSAGES_PER_SECOND = 50;

/** Who wants to hear of changed lists. */
function listeners<T>() {
  const all = new Set<(value: T) => void>();
  return {
    listen(listener: (value: T) => void): () => void {
      all.add(listener);
      return () => void all.delete(listener);
    },
    changed(value: T): void {
      for (const listener of all) listener(value);
    },
  };
}

const TOOLS_CALL = "tools/call";
type ToolParams = CallToolRequest["params"];

const metaOf = (params: { _meta?: unknown }): Record<string, unknown> => (isRecord(params._meta) ? params._meta : {});
const withMeta = (params: ToolParams, meta: OpenCall["meta"]): ToolParams =>
  meta === undefined ? params : { ...params, _meta: { ...params._meta, ...meta } };

type InputRequired = { kind: "input_required"; inputRequests: Record<string, unknown>; requestState?: string };
type Rounds = { params: Record<string, unknown> | undefined; retry: (params: Record<string, unknown>) => Promise<unknown> };
type Flow = {
  request: { params?: Record<string, unknown> };
  options: RequestOptions | undefined;
  retry(params: Record<string, unknown>, options: RequestOptions): Promise<unknown>;
};

async function told<T>(answer: () => Promise<T>): Promise<T> {
  try {
    return await answer();
  } catch (thrown) {
    throw refused(toAppError(thrown));
  }
}

/** An answer that is not the last word, as the protocol has it. */
const askingResult = ({ inputRequests, requestState }: InputRequired): Record<string, unknown> => ({
  resultType: "input_required",
  inputRequests,
  ...(requestState !== undefined && { requestState }),
});

function inputWanted(decoded: InputRequired): Error {
  const result = askingResult(decoded);
  if (isInputRequiredResult(result)) return new InputWanted(result);
  return new AppError("mcp_protocol_error", "The server asks for input in a way that is not in the protocol.");
}

/** An SDK client that knows its open requests, so that what the server asks can be told to belong to one of them. */
export class PlatformClient extends Client {
  readonly lists = listeners<"tools" | "resources" | "prompts">();
  readonly #open = new Set<OpenCall>();
  readonly #progress = new Map<unknown, OpenCall>();
  readonly #over = Promise.withResolvers<void>();
  #calls = 0;
  #piped: PipedCalls | undefined;
  readonly #declares: ClientCapabilities;
  #logLevel: LoggingLevel | undefined;
  readonly #answering: Answering;
  #told: ServerSettings;
  /** The server has heard that the roots are others now: what it asks next is about those, whatever call is open. */
  #hasNewRoots = false;

  constructor(info: Implementation, options: ClientOptions, answering: Answering) {
    const settings = answering.settings();
    const capabilities = capabilitiesFor(settings);
    super(info, { ...options, capabilities });
    this.#declares = capabilities;
    this.#answering = answering;
    this.#told = { roots: settings.roots };
    this.#answerRequests();
    this.#keepMessages();
  }

  /** Resolves when the conversation is over, whoever has ended it. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Tells the server what the settings have changed for it. */
  async settle(): Promise<void> {
    const { roots, logLevel } = this.#answering.settings();
    const before = this.#told;
    this.#told = { roots, logLevel };
    if (logLevel !== undefined && logLevel !== before.logLevel && this.getServerCapabilities()?.logging)
      await this.setLogLevel(logLevel, { timeout: SETTLE_MS });
    const hasRoots = this.#declares.roots && this.getProtocolEra() !== "modern";
    if (hasRoots && JSON.stringify(roots) !== JSON.stringify(before.roots)) {
      this.#hasNewRoots = true;
      await this.sendRootsListChanged();
    }
  }

  /** Calls of tools go over this pipe from now on, which must be the one that the client is connected to. */
  callOver(pipe: StdioTransport): void {
    this.#piped = new PipedCalls(pipe, (params) => {
      const envelope = this._outboundMetaEnvelope();
      return envelope === undefined ? params : { ...params, _meta: { ...envelope, ...metaOf(params) } };
    });
  }

  /** `meta` belongs into the request's parameters. */
  async talk<T>(given: CallOptions, send: (options: RequestOptions, meta: OpenCall["meta"]) => Promise<T>): Promise<T> {
    const call = this.#begin(given);
    try {
      return await inCall(call, () => send(call.options, call.meta));
    } finally {
      this.#end(call);
    }
  }

  /** Rejects with the SDK's errors. Over a pipe, and with a definition, the tool's last listing does not matter. */
  async callToolFor(given: CallOptions, params: ToolParams, toolDefinition: Tool | undefined): Promise<CallToolResult> {
    const piped = this.#piped;
    if (piped === undefined)
      return this.talk(given, (options, meta) =>
        this.callTool(withMeta(params, meta), toolDefinition === undefined ? options : { ...options, toolDefinition }),
      );
    const call = this.#begin(given);
    try {
      return await this.#callOverPipe(piped, call, withMeta(params, call.meta));
    } finally {
      this.#end(call);
    }
  }

  async #callOverPipe(piped: PipedCalls, call: OpenCall, params: ToolParams): Promise<CallToolResult> {
    const codec = this._wireCodec();
    const exchange = async (sent: Record<string, unknown>) => {
      const decoded = codec.decodeResult(TOOLS_CALL, await piped.send(sent, call));
      if (decoded.kind === "invalid") throw decoded.error;
      return decoded;
    };
    const retry = async (sent: Record<string, unknown>): Promise<unknown> => {
      const decoded = await exchange(sent);
      return decoded.kind === "complete" ? decoded.result : askingResult(decoded);
    };
    const decoded = await exchange(params);
    const result = decoded.kind === "complete" ? decoded.result : await this.#answerRounds(call, decoded, { params, retry });
    const outcome = codec.validateResult(TOOLS_CALL, result);
    if (outcome.ok) return outcome.value;
    const reason = outcome.reason === "invalid" ? outcome.message : outcome.reason;
    throw new SdkError(SdkErrorCode.InvalidResult, `Invalid result for ${TOOLS_CALL}: ${reason}`);
  }

  #begin(given: CallOptions): OpenCall {
    const call = new OpenCall(given, `${(this.#calls += 1)}`);
    this.#open.add(call);
    if (call.meta !== undefined) this.#progress.set(call.meta.progressToken, call);
    return call;
  }

  #end(call: OpenCall): void {
    call.end();
    if (call.meta !== undefined) this.#progress.delete(call.meta.progressToken);
    if (call.isGivenUp) setTimeout(() => this.#open.delete(call), AFTERMATH_MS).unref();
    else this.#open.delete(call);
  }

  /**
   * The request that something which the server sends now belongs to: the one whose response stream it came on, else the only
   * one that is open. Undefined when it could be another caller's.
   */
  callBehind(): OpenCall | undefined {
    const related = currentCall();
    if (related !== undefined) return this.#open.has(related) ? related : undefined;
    const [only, another] = this.#open;
    return another === undefined ? only : undefined;
  }

  /** In the 2025 era the server is told once; later each request carries the level. */
  async setLogLevel(level: LoggingLevel, options: RequestOptions): Promise<void> {
    if (this.getProtocolEra() === "modern") this.#logLevel = level;
    else await this.setLoggingLevel(level, options);
  }

  /** Of the 2025 era, in which a server sends requests of its own. What has no handler here is answered with "method not found". */
  #answerRequests(): void {
    const answering = this.#answering;
    const declares = this.#declares;
    if (declares.elicitation)
      this.setRequestHandler("elicitation/create", async ({ params }, { mcpReq }) => {
        const asked = { questions: { question: params }, withdrawn: mcpReq.signal };
        const answers = await told(() => elicit(answering, this.#mustKnowCall(), asked));
        return answers["question"] ?? { action: "cancel" };
      });
    if (declares.sampling)
      this.setRequestHandler("sampling/createMessage", ({ params }, { mcpReq }) =>
        told(async () => {
          allowed(answering, "sampling");
          return sample(answering, this.#mustKnowCall(), { params, signal: mcpReq.signal });
        }),
      );
    if (declares.roots)
      this.setRequestHandler("roots/list", () =>
        told(async () => {
          allowed(answering, "roots");
          const call = this.#hasNewRoots ? undefined : this.callBehind();
          this.#hasNewRoots = false;
          return listRoots(answering, call);
        }),
      );
  }

  #mustKnowCall(): OpenCall {
    const call = this.callBehind();
    if (call?.isGivenUp === false) return call;
    this.#answering.note("refused a request of the server: no call, or more than one, is open that it could belong to");
    throw new AppError("mcp_input_refused", "It is not known which call this request belongs to.");
  }

  #keepMessages(): void {
    const mayLog = perSecond(MESSAGES_PER_SECOND);
    this.setNotificationHandler("notifications/message", ({ params }) => {
      const { level, logger, data } = params;
      this.callBehind()?.onMessage(params);
      if (!mayLog()) return this.#answering.drop(1);
      const text = typeof data === "string" ? data : JSON.stringify(data);
      this.#answering.log(level, logger === undefined ? text : `${logger}: ${text}`);
    });
  }

  /** Of the 2026 era, in which a server asks by its answer, and the request is made again with what it wants to know. */
  protected override async _resolveNonCompleteResult(decoded: InputRequired, flow: Flow): Promise<unknown> {
    const call = callOf(flow.options);
    if (call === undefined) throw new AppError("mcp_input_refused", "The server asks for input to a request that nobody waits for.");
    const retry = (params: Record<string, unknown>): Promise<unknown> =>
      flow.retry(params, { ...call.options, headers: flow.options?.headers, allowInputRequired: true });
    return this.#answerRounds(call, decoded, { params: flow.request.params, retry });
  }

  async #answerRounds(call: OpenCall, decoded: InputRequired, { params, retry }: Rounds): Promise<unknown> {
    let { inputRequests, requestState } = decoded;
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      if (call.party !== undefined) checkInput(this.#answering, inputRequests);
      if (call.party?.takesInput) throw inputWanted(decoded);
      if ((requestState?.length ?? 0) > STATE_CHARS)
        throw new AppError("mcp_protocol_error", `The server gives more than ${STATE_CHARS} characters to keep.`);
      const inputResponses = await answerInput(this.#answering, call, inputRequests);
      if (Object.keys(inputResponses).length === 0) await sleep(AGAIN_MS, undefined, { signal: call.signal });
      await call.mayStill();
      const result = await retry({ ...params, inputResponses, ...(requestState !== undefined && { requestState }) });
      if (!isInputRequiredResult(result)) return result;
      ({ inputRequests = {}, requestState } = result);
    }
    throw new AppError("mcp_protocol_error", `The server still asks for input after ${MOST_ROUNDS} rounds.`);
  }

  /** Progress is told at once: the SDK would let an answer overtake the last step before it. */
  protected override _onnotification(notification: JSONRPCNotification, extra?: MessageExtraInfo): void {
    if (notification.method !== "notifications/progress") return super._onnotification(notification, extra);
    const call = this.#progress.get(notification.params?.["progressToken"]);
    if (call !== undefined && isSpecType.ProgressNotification(notification)) call.onProgress(notification.params);
  }

  protected override _onresponse(response: JSONRPCResponse | JSONRPCErrorResponse): void {
    if (this.#piped?.settle(response) !== true) super._onresponse(response);
  }

  protected override _onclose(): void {
    super._onclose();
    this.#piped?.end();
    this.#over.resolve();
  }

  protected override _outboundMetaEnvelope(): Readonly<Record<string, unknown>> | undefined {
    const envelope = super._outboundMetaEnvelope();
    return envelope === undefined || this.#logLevel === undefined ? envelope : { ...envelope, [LOG_LEVEL_META_KEY]: this.#logLevel };
  }
}
