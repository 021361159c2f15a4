import type { Environment, Json } from "#contract/common.ts";
import type { AffectedWorkflow, SeenDefinition, ToolDiff, ToolUse } from "#contract/mcp/tool-review.ts";
import { parseJson } from "#contract/parse-json.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Database, Tx } from "#server/kernel/ports.ts";
import { findDefinition, seenDefinitions } from "./definitions.pg.ts";
import { diffDefinitions } from "./diff.ts";
import { toolsAround } from "./neighbours.pg.ts";
import { createSurroundings, type Neighbourhood } from "./scan/neighbours.ts";
import { scanTool } from "./scan/scan.ts";
import { parseDefinition } from "./tool-definition.ts";
import { findTool, viewTool, type ServerTool } from "./tools.pg.ts";
import { waitsForTool } from "./waits.pg.ts";

/** Which workflows call a tool: their newest versions, versions of live runs in this environment, and those that triggers name. Newest workflow first. */
export type WorkflowsUsing = (tool: {
  tenantId: string;
  environment: Environment;
  server: string;
  tool: string;
}) => Promise<AffectedWorkflow[]>;

export type ReviewDeps = { database: Database; workflowsUsing: WorkflowsUsing };

export type ToolReviews = {
  /** From what was approved to what is listed, unless hashes are named. `not_found` for a hash that was never listed. */
  diff(caller: Caller, request: { id: string; from?: string | undefined; to?: string | undefined }): Promise<ToolDiff>;
  history(caller: Caller, id: string): Promise<{ items: SeenDefinition[] }>;
  use(caller: Caller, id: string): Promise<ToolUse>;
};

/** What a person looks at before deciding about a tool. */
export function toolReviews(deps: ReviewDeps): ToolReviews {
  const { database } = deps;
  return {
    async diff({ tenantId }, { id, from, to }) {
      const { found, ...sides } = await database.asTenant(tenantId, async (tx) => {
        const found = await mustFind(tx, id);
        const scanned = await neighbourhoodOf(tx, found);
        const before = from ?? found.tool.approvedHash;
        return {
          found,
          from: before === null ? null : await sideOf(tx, { id, hash: before, scanned }),
          to: await sideOf(tx, { id, hash: to ?? found.tool.hash, scanned }),
        };
      });
      const { json: after, ...shown } = sides.to;
      const { json: before, ...old } = sides.from ?? {};
      const changes = diffDefinitions(before, after);
      return { tool: viewTool(found), from: "hash" in old ? old : null, to: shown, changes, ...(await useOf(deps, tenantId, found)) };
    },
    history: ({ tenantId }, id) =>
      database.asTenant(tenantId, async (tx) => {
        await mustFind(tx, id);
        return { items: await seenDefinitions(tx, id) };
      }),
    use: async ({ tenantId }, id) => useOf(deps, tenantId, await database.asTenant(tenantId, (tx) => mustFind(tx, id))),
  };
}

async function mustFind(tx: Tx, id: string): Promise<ServerTool> {
  const found = await findTool(tx, id);
  if (!found) throw new AppError("not_found", `There is no tool ${id}.`);
  return found;
}

/** With what is around the tool now: another server's tools may have come since it was first looked at. */
async function neighbourhoodOf(tx: Tx, { serverId, environment }: ServerTool): Promise<Neighbourhood> {
  return createSurroundings(await toolsAround(tx, environment)).of(serverId);
}

type Side = { hash: string; findings: string[]; json: Json };

async function sideOf(tx: Tx, { id, hash, scanned }: { id: string; hash: string; scanned: Neighbourhood }): Promise<Side> {
  const text = await findDefinition(tx, id, hash);
  if (text === undefined) throw new AppError("not_found", `The tool ${id} was never listed with the hash ${hash}.`);
  return { hash, findings: scanTool(parseDefinition(text), scanned), json: parseJson(text) };
}

async function useOf({ database, workflowsUsing }: ReviewDeps, tenantId: string, found: ServerTool): Promise<ToolUse> {
  const { serverId, serverName: server, environment, tool } = found;
  const workflows = await workflowsUsing({ tenantId, environment, server, tool: tool.name });
  const waits = await database.asTenant(tenantId, (tx) => waitsForTool(tx, { serverId, tool: tool.name }));
  const waiting = waits.map(({ runId, scope, nodeId, since }) => ({ runId, scope, nodeId, since: since.toISOString() }));
  return { workflows, waiting };
}
