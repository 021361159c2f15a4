import type { McpServer, Result } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { Redactor } from "#server/kernel/ports.ts";
import type { CallTool } from "../calls/invoke-tool.ts";
import { askedBy } from "./asked.ts";
import type { Client } from "./client.ts";
import { ExposedServer, recordFrames } from "./exposed-server.ts";
import { asProtocolError } from "./forward.ts";
import type { Handler, Params } from "./handler.ts";
import { answerWith } from "./input-state.ts";
import type { KnownLists } from "./lists.ts";
import { otherHandlers } from "./others.ts";
import { plain } from "./plain.ts";
import { createSubscriptions, type Subscriptions } from "./subscriptions.ts";
import { callTool, listTools } from "./tools.ts";

export type ProtocolDeps = { call: CallTool; redactor: Redactor; lists: KnownLists };

export type Served = { mcp: McpServer; subscriptions: Subscriptions };

/** Parameters are forwarded as they came: what is wrong with them is for the server that they are meant for to say. */
const AnyParams = z.looseObject({});

/** An SDK server for one client: its own ids, its own level of logging, nothing of anybody else's. */
export function protocolServer(deps: ProtocolDeps, client: Client): Served {
  const { capabilities, instructions, exposure, isOne, input, key, sessionKey } = client;
  const requestState = { verify: input.verify };
  const options = { capabilities, requestState, ...(instructions !== undefined && { instructions }) };
  const mcp = new ExposedServer(client.info, options, exposure);
  const { server } = mcp;
  const serve = (method: string, handler: Handler): void =>
    server.setRequestHandler(method, { params: AnyParams }, async (params, ctx): Promise<Result> => {
      try {
        const capabilities = server.getClientCapabilities();
        const answer = (answers: Params | undefined) => handler(params, askedBy(ctx, { sessionKey, capabilities, input: answers }));
        return await answerWith(input, { ctx, key, params }, answer);
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
  const subscriptions = createSubscriptions(exposure, (uri) => void server.sendResourceUpdated({ uri }).catch(() => {}));
  if (capabilities.resources?.subscribe) {
    serve("resources/subscribe", ({ uri }) => subscriptions.add(String(uri)).then(() => ({})));
    serve("resources/unsubscribe", ({ uri }) => subscriptions.remove(String(uri)).then(() => ({})));
  }
  server.onclose = () => void subscriptions.close();
  recordFrames(mcp, client.frames);
  return { mcp, subscriptions };
}

/** What a client hears of a thing that is not there, may not be used, or has changed: always the same. */
const unknownOf = (method: string, { name }: Params): string =>
  method === "tools/call" ? `Unknown tool: ${String(name).slice(0, 200)}` : `Not found`;
