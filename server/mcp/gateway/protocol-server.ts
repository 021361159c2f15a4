import {
  Server,
  type Implementation,
  type Progress,
  type Result,
  type ServerCapabilities,
  type ServerContext,
  type ServerOptions,
  type Transport,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import type { CallTool } from "../calls/invoke-tool.ts";
import type { FrameRecorder } from "../connection/frames.ts";
import { isRecord, toJson } from "../connection/json-value.ts";
import { pageOf, toolsOf, viewTool, type Exposure } from "./exposure.ts";
import type { Asked, Handler, Params } from "./handler.ts";
import { asProtocolError, methodUnknown } from "./forward.ts";
import type { KnownLists } from "./lists.ts";
import { exposeContent, otherHandlers } from "./others.ts";
import { DISCONNECTED } from "./session-transport.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";

export type ProtocolDeps = { call: CallTool; redactor: Redactor; lists: KnownLists };

/** Who is served, and what. */
export type Client = {
  exposure: Exposure;
  /** One server as it is, not all of them as one. */
  isOne: boolean;
  info: Implementation;
  instructions: string | undefined;
  capabilities: ServerCapabilities;
  /** The caller, as calls and audit rows name it. */
  actor: string;
  frames: FrameRecorder;
  /** Tells the audit trail that a call's client did not wait for its result. */
  onLeft: (call: { server: SupervisedServer; tool: string }) => Promise<void>;
};

/** Parameters are forwarded as they came: what is wrong with them is for the server that they are meant for to say. */
const AnyParams = z.looseObject({});

/** An SDK server for one client: its own ids, its own level of logging, nothing of anybody else's. */
export function protocolServer(deps: ProtocolDeps, client: Client): Server {
  const { capabilities, instructions, exposure, isOne } = client;
  const options = { capabilities, ...(instructions !== undefined && { instructions }) };
  const server = new RecordedServer(client.info, options, client.frames);
  const serve = (method: string, handler: Handler): void =>
    server.setRequestHandler(method, { params: AnyParams }, async (params, ctx): Promise<Result> => {
      try {
        return await handler(params, askedBy(ctx));
      } catch (thrown) {
        throw asProtocolError(thrown, unknownOf(method, params), deps.redactor);
      }
    });
  for (const [method, handler] of otherHandlers({ exposure, isOne, lists: deps.lists }, capabilities)) {
    serve(method, async (params, asked) => plain(deps.redactor, await handler(params, asked)));
  }
  if (capabilities.tools) {
    serve("tools/list", ({ cursor }) => listTools(exposure, cursor));
    serve("tools/call", callTool(deps, client));
  }
  server.fallbackRequestHandler = ({ method }) => Promise.reject(methodUnknown(method));
  return server;
}

/** Records what crosses its transport, whichever that is. */
class RecordedServer extends Server {
  readonly #frames: FrameRecorder;

  constructor(info: Implementation, options: ServerOptions, frames: FrameRecorder) {
    super(info, options);
    this.#frames = frames;
  }

  override async connect(transport: Transport): Promise<void> {
    const send = transport.send.bind(transport);
    transport.send = (message, options) => {
      this.#frames.sent(message, JSON.stringify(message));
      return send(message, options);
    };
    await super.connect(transport);
    const { onmessage } = transport;
    transport.onmessage = (message, extra) => {
      this.#frames.received(message, JSON.stringify(message));
      onmessage?.(message, extra);
    };
  }
}

function listTools(exposure: Exposure, cursor: unknown): Result {
  const { items, ...rest } = pageOf(toolsOf(exposure), ({ name }) => name, typeof cursor === "string" ? cursor : undefined);
  return { tools: items.map(viewTool), ...rest };
}

const callTool =
  ({ call, redactor }: ProtocolDeps, { exposure, isOne, actor, onLeft }: Client): Handler =>
  async ({ name, arguments: args }, { signal, meta, tell }) => {
    const found = exposure.toolOf(String(name));
    if (found === undefined) throw new AppError("mcp_tool_unknown", "No server has it.");
    const { server, own: tool } = found;
    const given = isRecord(args) ? args : {};
    const timeoutMs = LIMITS.mcpCallMs;
    const invocation = { server, tool, arguments: given, meta, timeoutMs, signal, actor, ...(tell && { onProgress: tell }) };
    const result = await call(invocation).catch(async (thrown: unknown) => {
      if (signal.aborted && (typeof signal.reason !== "string" || signal.reason === DISCONNECTED)) await onLeft({ server, tool });
      throw thrown;
    });
    const answer = plain(redactor, result);
    const { content } = answer;
    return isOne || !Array.isArray(content) ? answer : { ...answer, content: content.map((item) => exposeContent(exposure, server, item)) };
  };

/** Unlike what steps return, this goes straight to the caller, and servers know secrets that the caller may not. */
function plain(redactor: Redactor, result: unknown): Record<string, unknown> {
  const json = redactor.json(toJson(result));
  return isRecord(json) ? json : {};
}

function askedBy({ mcpReq }: ServerContext): Asked {
  const { progressToken, ...meta } = { progressToken: undefined, ...mcpReq._meta };
  const tell = (progress: Progress): void =>
    void mcpReq.notify({ method: "notifications/progress", params: { ...progress, progressToken } }).catch(() => {});
  return { signal: mcpReq.signal, meta, tell: progressToken === undefined ? undefined : tell };
}

/** What a client hears of a thing that is not there, may not be used, or has changed: always the same. */
const unknownOf = (method: string, { name }: Params): string =>
  method === "tools/call" ? `Unknown tool: ${String(name).slice(0, 200)}` : `Not found`;
