import type { Server } from "@modelcontextprotocol/server";
import type { Caller } from "#server/kernel/caller.ts";
import type { Audit, Database, FrameSink, Redactor } from "#server/kernel/ports.ts";
import type { CallTool } from "../calls/invoke-tool.ts";
import { frameRecorder } from "../connection/frames.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Endpoint } from "./identity.ts";
import { createKnownLists } from "./lists.ts";
import { protocolServer } from "./protocol-server.ts";
import { DISCONNECTED } from "./session-transport.ts";

export type ClientDeps = { call: CallTool; redactor: Redactor; frames: FrameSink; database: Database; audit: Audit; newId: () => string };

/** An SDK server for whoever asks, at this endpoint. `id` names the conversation in the frames. */
export type ServeClient = (endpoint: Endpoint, caller: Caller, id: string) => Server;

export function createServeClient(deps: ClientDeps): ServeClient {
  const lists = createKnownLists();
  return (endpoint, caller, id) => {
    const { tenantId, ref } = caller;
    const frames = frameRecorder({ sink: deps.frames, tenantId, remote: ref, connectionId: id });
    return protocolServer({ ...deps, lists }, { ...endpoint, actor: ref, frames, onLeft: recordLeft(deps, caller) });
  };
}

const recordLeft =
  ({ database, audit }: ClientDeps, { tenantId, ref }: Caller) =>
  ({ server, tool }: { server: SupervisedServer; tool: string }): Promise<void> =>
    database.asTenant(tenantId, (tx) =>
      audit.record(tx, {
        tenantId,
        actor: ref,
        action: "mcp_tool.call_left",
        target: `mcp_server:${server.record.id}`,
        reason: DISCONNECTED,
        details: { tool },
      }),
    );
