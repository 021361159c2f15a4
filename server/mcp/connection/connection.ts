import { withInputRequired, type CallToolResult, type Implementation, type Tool, type Transport } from "@modelcontextprotocol/client";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/client/validators/ajv";
import { z } from "zod";
import type { AppError } from "#server/kernel/errors.ts";
import { isRecord } from "./json-value.ts";
import type { CallOptions } from "./open-call.ts";
import { keepSubscribed } from "./list-subscription.ts";
import { PlatformClient } from "./platform-client.ts";
import { listAll, requestsOf, type Requests } from "./requests.ts";
import type { Answering } from "./server-requests.ts";
import type { Timings } from "../supervision/timings.ts";
import { coalesce } from "./coalesce.ts";
import { compileSchema } from "./validators.ts";

export type ToolCall = CallOptions & {
  name: string;
  arguments: Record<string, unknown>;
  /** Protocol metadata of the call. */
  meta?: Record<string, unknown>;
  /** What the server wanted to know, and what it gave us to keep meanwhile. */
  input?: Record<string, unknown> | undefined;
  /** What was approved. Whether the structured content fits it is for the caller to judge. */
  definition?: Tool;
};

/** A request of the protocol beside tool calls. */
export type ServerRequest = CallOptions & { method: string; params?: Record<string, unknown> };

/** Which of a server's lists has changed. */
export type ListName = "tools" | "resources" | "prompts";

/** An open conversation with a server, whatever carries it. */
export type Connection = Requests & {
  readonly transport: "stdio" | "http";
  readonly pid: number | null;
  readonly era: "legacy" | "modern";
  readonly protocolVersion: string | null;
  readonly serverVersion: string | null;
  readonly serverInfo: Implementation | undefined;
  readonly instructions: string | undefined;
  /** All pages, and each as it comes to whoever wants to know. Also how the connection is checked. */
  listTools(signal: AbortSignal, onPage?: (tools: readonly unknown[]) => void): Promise<unknown[]>;
  /** Rejects with the SDK's errors; `callFailure` gives them their class. */
  callTool(call: ToolCall): Promise<CallToolResult>;
  /** The answer as the server sent it, `input_required` of the 2026 era included. Rejects like `callTool`. */
  request(request: ServerRequest): Promise<Record<string, unknown>>;
  /** Hears of each list that the server says has changed, until the returned function is called. */
  onListChanged(listener: (list: ListName) => void): () => void;
  /** Tells the server what its settings, which have changed, mean for it. */
  settle(): Promise<void>;
  /** Resolves when the conversation ends without having been asked to; never rejects. */
  readonly lost: Promise<AppError>;
  /** What `lost` has resolved with, if it has. */
  lossReason(): AppError | undefined;
  /** Ends the conversation and the whole process tree. Resolves with how many processes could not be ended. A second call joins the first. */
  close(): Promise<number>;
};

type ClientOptions = { version: string; timings: Timings; era: "auto" | "legacy"; onToolsChanged: () => void; answering: Answering };

export function newClient({ version, timings, era, onToolsChanged, answering }: ClientOptions): PlatformClient {
  const changed = (list: ListName) => {
    // Not the SDK's debounce, which waits for silence that a server need not keep.
    const news = coalesce(timings.listChangedDebounceMs);
    news.listen(() => client.lists.changed(list));
    return { autoRefresh: false, debounceMs: 0, onChanged: () => news.tell() };
  };
  const client = new PlatformClient(
    { name: "auterity", version },
    {
      versionNegotiation: era === "legacy" ? { mode: "legacy" } : { mode: "auto", probe: { timeoutMs: timings.probeMs } },
      inputRequired: { autoFulfill: false },
      // Our own engine: its patterns run in linear time, and schemas of different servers do not meet.
      jsonSchemaValidator: new AjvJsonSchemaValidator({
        compile: (schema) => compileSchema(typeof schema === "object" && schema !== null ? schema : {}, false),
        getSchema: () => undefined,
        errorsText: (errors: unknown) => (Array.isArray(errors) ? errors.map(schemaErrorText).join("; ") : ""),
      }),
      listChanged: { tools: changed("tools"), resources: changed("resources"), prompts: changed("prompts") },
    },
    answering,
  );
  client.lists.listen((list) => list === "tools" && onToolsChanged());
  return client;
}

const schemaErrorText = (error: unknown): string =>
  typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error);

/** Handshake, with everything that may end it: the caller's signal closes the transport, which the SDK's probe obeys. */
export async function handshake(
  client: PlatformClient,
  transport: Transport,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const { timeoutMs, signal } = options;
  const onAbort = (): void => void transport.close();
  signal.throwIfAborted();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await client.connect(transport, { timeout: timeoutMs, signal });
    client.settle().catch(() => {});
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Whoever forwards an answer does not judge it. */
const AnyResult = withInputRequired(z.looseObject({}));

const metaOf = (params: Record<string, unknown> | undefined): Record<string, unknown> =>
  isRecord(params?.["_meta"]) ? params["_meta"] : {};

type Speech = Requests &
  Pick<
    Connection,
    | "era"
    | "protocolVersion"
    | "serverVersion"
    | "serverInfo"
    | "instructions"
    | "listTools"
    | "callTool"
    | "request"
    | "onListChanged"
    | "settle"
  >;

const VERSION_CHARS = 128;

/** As it can be stored and shown: a server may say of itself whatever it likes. */
const plainVersion = (version: string | undefined): string | null =>
  version
    ?.slice(0, VERSION_CHARS)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, "") ?? null;

/** The parts of a connection that do not depend on what carries it. */
export function speak(client: PlatformClient, timings: Timings): Speech {
  void keepSubscribed(client, timings.reconnectFloorMs);
  return {
    ...requestsOf(client),
    era: client.getProtocolEra() === "modern" ? "modern" : "legacy",
    protocolVersion: client.getNegotiatedProtocolVersion() ?? null,
    serverVersion: plainVersion(client.getServerVersion()?.version),
    serverInfo: client.getServerVersion(),
    instructions: client.getInstructions(),
    onListChanged: (listener) => client.lists.listen(listener),
    settle: () => client.settle(),
    listTools: async (given, onPage) => {
      // Of all pages together: each in time would be an hour for all.
      const signal = AbortSignal.any([given, AbortSignal.timeout(timings.listMs)]);
      const options = { signal, timeout: timings.listMs };
      const capability = client.getServerCapabilities()?.tools;
      if (capability === undefined && client.getProtocolEra() !== "modern") await client.ping(options);
      // Not the SDK's `listTools`: it leaves tools out by itself, and tells nobody but the terminal, in the server's own words.
      return listAll("tools/list", capability, async (cursor) => {
        const { tools, nextCursor } = await client.request({ method: "tools/list", params: { cursor } }, options);
        onPage?.(tools);
        return { items: tools, nextCursor };
      });
    },
    callTool: (call) => {
      const { name, arguments: args, meta, input, definition } = call;
      return client.callToolFor(call, { ...input, name, arguments: args, _meta: meta }, definition);
    },
    request: ({ method, params, ...call }) =>
      client.talk(call, (options, own) => {
        const sent = own === undefined ? params : { ...params, _meta: { ...metaOf(params), ...own } };
        return client.request({ method, params: sent }, AnyResult, { ...options, allowInputRequired: true });
      }),
  };
}
