import type { JSONRPCMessage, McpServer, Result } from "@modelcontextprotocol/server";
import { z } from "zod";
import { LOG_LEVELS, LogLevel } from "#contract/mcp/logs.ts";
import { AppError } from "#server/kernel/errors.ts";
import { askedBy, type Request } from "./asked.ts";
import type { Client } from "./client.ts";
import { ExposedServer } from "./exposed-server.ts";
import { asProtocolError } from "./forward.ts";
import type { Handler, Params } from "./handler.ts";
import { answerWith } from "./input-state.ts";
import type { KnownLists } from "./lists.ts";
import { otherHandlers } from "./others.ts";
import { SessionCalls } from "./session-calls.ts";
import { createSubscriptions, type Subscriptions } from "./subscriptions.ts";
import { callTool, listTools, type ToolDeps } from "./tools.ts";

export type ProtocolDeps = Omit<ToolDeps, "project"> & { lists: KnownLists };

export type Served = {
  mcp: McpServer;
  subscriptions: Subscriptions;
  /** Serves `tools/call` instead of `mcp`, in sessions; undefined without tools. */
  calls: SessionCalls | undefined;
  frames: Client["frames"];
  /** What is sent instead of this message. */
  plain: (message: JSONRPCMessage) => JSONRPCMessage;
};

/** Parameters are forwarded as they came: what is wrong with them is for the server that they are meant for to say. */
const AnyParams = z.looseObject({});

/** An SDK server for one client: its own ids, its own level of logging, nothing of anybody else's. */
export function protocolServer(deps: ProtocolDeps, client: Client): Omit<Served, "plain"> {
  const { capabilities, instructions, exposure, find, isOne, isSession, input, key, sessionKey } = client;
  const requestState = { verify: input.verify };
  const options = { capabilities, requestState, ...(instructions !== undefined && { instructions }) };
  const mcp = new ExposedServer(client.info, options, exposure);
  const { server } = mcp;
  let logLevel: LogLevel | undefined = capabilities.logging && "debug";
  const asked = (request: Request, answers?: Params) =>
    askedBy(request, { server, isSession, sessionKey, input: answers, logLevel: () => logLevel });
  const failure = (method: string, thrown: unknown, params: Params) => asProtocolError(thrown, unknownOf(method, params), deps.redactor);
  const serve = (method: string, handler: Handler): void =>
    server.setRequestHandler(method, { params: AnyParams }, async (params, ctx): Promise<Result> => {
      try {
        return await answerWith(input, { ctx, key, params }, (answers) => handler(params, asked(ctx.mcpReq, answers)));
      } catch (thrown) {
        throw failure(method, thrown, params);
      }
    });
  for (const [method, handler] of otherHandlers({ ...deps, exposure, find, isOne }, capabilities)) serve(method, handler);
  const handler = callTool({ ...deps, project: (result, schema) => server.projectCallToolResult(result, schema) }, client);
  const calls = new SessionCalls({ handler, askedBy: asked, failure: (thrown, params) => failure("tools/call", thrown, params) });
  if (capabilities.tools) {
    serve("tools/list", ({ cursor }) => listTools(exposure, cursor));
    serve("tools/call", handler);
  }
  if (capabilities.logging)
    serve("logging/setLevel", ({ level }) => {
      const wanted = LogLevel.safeParse(level);
      if (!wanted.success) throw new AppError("request_invalid", `Expected one of the levels ${LOG_LEVELS.join(", ")}.`);
      logLevel = wanted.data;
      return {};
    });
  const subscriptions = createSubscriptions({ exposure, find }, (uri) => void server.sendResourceUpdated({ uri }).catch(() => {}));
  if (capabilities.resources?.subscribe) {
    serve("resources/subscribe", ({ uri }) => subscriptions.add(String(uri)).then(() => ({})));
    serve("resources/unsubscribe", ({ uri }) => subscriptions.remove(String(uri)).then(() => ({})));
  }
  server.onclose = () => void subscriptions.close();
  return { mcp, subscriptions, calls: capabilities.tools && calls, frames: client.frames };
}

/** What a client hears of a thing that is not there, may not be used, or has changed: always the same. */
const unknownOf = (method: string, { name }: Params): string =>
  method === "tools/call" && typeof name === "string" ? `Unknown tool: ${name.slice(0, 200)}` : `Not found`;
