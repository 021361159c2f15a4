import { randomBytes } from "node:crypto";
import type { Caller } from "#server/kernel/caller.ts";
import type { Audit, Database, FrameSink, Redactor } from "#server/kernel/ports.ts";
import type { CallTool } from "../calls/invoke-tool.ts";
import { frameRecorder } from "../connection/frames.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { DISCONNECTED } from "./disconnected.ts";
import type { Endpoint } from "./identity.ts";
import { createInputState } from "./input-state.ts";
import type { KnownLists } from "./lists.ts";
import { plainMessage } from "./plain.ts";
import { protocolServer, type Served } from "./protocol-server.ts";

export type ClientDeps = {
  call: CallTool;
  lists: KnownLists;
  redactor: Redactor;
  frames: FrameSink;
  database: Database;
  audit: Audit;
  newId: () => string;
  /** The same in all processes that serve the same clients; by default this process serves them alone. */
  stateKey?: Uint8Array;
};

/** An SDK server for whoever asks, at this endpoint. A client without a session is known by who it is. */
export type ServeClient = (endpoint: Endpoint, caller: Caller, session: string | undefined) => Served;

export function createServeClient(deps: ClientDeps): ServeClient {
  const { stateKey = randomBytes(32) } = deps;
  return (endpoint, caller, session) => {
    const { tenantId, ref } = caller;
    const frames = frameRecorder({
      sink: deps.frames,
      tenantId,
      remote: ref,
      connectionId: session ?? deps.newId(),
      server: { transport: "http" },
    });
    const served = protocolServer(deps, {
      ...endpoint,
      actor: ref,
      isSession: session !== undefined,
      sessionKey: session ?? ref,
      frames,
      input: createInputState({ key: stateKey, redactor: deps.redactor }, `${tenantId}\0${ref}`),
      onLeft: recordLeft(deps, caller),
    });
    return { ...served, plain: (message) => plainMessage(deps.redactor, message) };
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
