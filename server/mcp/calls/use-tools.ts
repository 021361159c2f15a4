import type { Page, PageQuery } from "#contract/common.ts";
import type { Tool, ToolResult } from "#contract/mcp/tools.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Database, Redactor } from "#server/kernel/ports.ts";
import type { Ask } from "../connection/open-call.ts";
import { ownAddress } from "../connection/questions.ts";
import { createResumableCalls, type Resume } from "../questions/resumable-calls.ts";
import type { InvokeTool } from "./invoke-tool.ts";
import { serverNotFound } from "../registration/manage-servers.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { findServer } from "../registration/servers.pg.ts";
import { findTool, listedTools, pageTools, viewTool } from "../catalogue/tools.pg.ts";

/** Why a call ended whose caller went away. */
const DISCONNECTED = "client_disconnected";

/** Whoever calls hears nothing before the answer; how far the call is can be followed among the server's frames. */
const recorded = (): void => {};

export type ToolUseCaseDeps = {
  database: Database;
  audit: Audit;
  supervisor: Supervisor;
  invoke: InvokeTool;
  redactor: Redactor;
  newId: () => string;
  now: () => Date;
};

export type ToolUseCases = {
  listOfServer(caller: Caller, serverId: string): Promise<{ items: Tool[] }>;
  list(
    caller: Caller,
    query: PageQuery & { q?: string | undefined; approval?: Tool["approval"] | undefined; flagged?: boolean | undefined },
  ): Promise<Page<Tool>>;
  /** Outside a run. A tool that says it has failed is an answer here, not an error. */
  call(
    caller: Caller,
    id: string,
    request: { arguments: Record<string, unknown>; timeoutMs: number; signal: AbortSignal; resume?: Resume | undefined },
  ): Promise<ToolResult>;
};

/** What people and programs do with tools. Whatever belongs to another tenant is `not_found`. */
export function toolUseCases(deps: ToolUseCaseDeps): ToolUseCases {
  const { database, supervisor } = deps;
  const call = createResumableCalls(deps);
  return {
    listOfServer: ({ tenantId }, serverId) =>
      database.asTenant(tenantId, async (tx) => {
        if (!(await findServer(tx, serverId))) throw serverNotFound(serverId);
        return { items: (await listedTools(tx, serverId)).map(viewTool) };
      }),
    list: ({ tenantId }, query) =>
      database.asTenant(tenantId, async (tx) => {
        const { items, nextCursor } = await pageTools(tx, query);
        return { items: items.map(viewTool), nextCursor };
      }),
    async call(caller, id, { resume, signal, ...request }) {
      const found = await database.asTenant(caller.tenantId, (tx) => findTool(tx, id));
      if (!found) throw new AppError("not_found", `There is no tool ${id}.`);
      const server = await supervisor.get(caller.tenantId, found.serverId);
      // Unlike what steps return, this goes straight to the caller, and the server knows secrets that the caller may not.
      const invocation = { server, tool: found.tool.name, actor: caller.ref, onProgress: recorded, ...request };
      const about = { tenantId: caller.tenantId, principal: caller.ref, toolId: id, arguments: request.arguments };
      const run = (ask: Ask, ended: AbortSignal): Promise<ToolResult> => deps.invoke({ ...invocation, ask, signal: ended });
      const result = await call({ about, own: ownAddress(server.record.launch), signal, run }, resume).catch(async (error: unknown) => {
        if (signal.aborted) await recordLeft(deps, { caller, server, tool: found.tool.name });
        throw error;
      });
      return deps.redactor.json(result);
    },
  };
}

type Left = { caller: Caller; server: SupervisedServer; tool: string };

/** Tells the audit trail that whoever asked for a call did not wait for its result. */
const recordLeft = ({ database, audit }: ToolUseCaseDeps, { caller, server, tool }: Left): Promise<void> =>
  database.asTenant(caller.tenantId, (tx) =>
    audit.record(tx, {
      tenantId: caller.tenantId,
      actor: caller.ref,
      action: "mcp_tool.call_left",
      target: `mcp_server:${server.record.id}`,
      reason: DISCONNECTED,
      details: { tool },
    }),
  );
