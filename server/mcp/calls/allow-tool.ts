import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Database, StepRef } from "#server/kernel/ports.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import { toolsOfServer } from "../catalogue/tools.pg.ts";
import { insertWait } from "../catalogue/waits.pg.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";

/** Who wants to use which tool. */
export type Use = {
  server: SupervisedServer;
  tool: string;
  /** The definition that was chosen before; any other one is `tool_changed`. */
  hash?: string;
  actor: string;
  step?: StepRef;
};

type Deps = { database: Database; audit: Audit };

export type AllowTool = (use: Use) => Promise<PinnedTool> | PinnedTool;

/** The tool, if it may be called as it is listed now. A refusal goes to the audit trail. */
export const createAllowTool =
  (deps: Deps): AllowTool =>
  (use) => {
    const tool = mustFind(use);
    return refusalOf(use, tool) === undefined ? tool : lookAgain(deps, use);
  };

function mustFind({ server, tool: name }: Use): PinnedTool {
  const tool = server.catalogue.tool(name);
  if (tool === undefined) throw new AppError("mcp_tool_unknown", `The server ${server.record.name} has no tool ${name}.`);
  return tool;
}

/** Another process may have been told a moment ago that the tool is approved. */
async function lookAgain(deps: Deps, use: Use): Promise<PinnedTool> {
  const { record, catalogue } = use.server;
  await catalogue.adopt(async () => {
    const tools = await deps.database.asTenant(record.tenantId, (tx) => toolsOfServer(tx, record.id));
    return { tools, isPinned: record.cataloguePinned };
  });
  const tool = mustFind(use);
  const refusal = refusalOf(use, tool);
  return refusal === undefined ? tool : recordRefusal(deps, { ...use, found: tool, refusal });
}

type Refused = Use & { found: PinnedTool; refusal: AppError };

/** A step that is refused because the tool has changed waits: whoever decides about the tool must know of it. */
async function recordRefusal({ database, audit }: Deps, { server, found: tool, refusal, actor, step }: Refused): Promise<never> {
  const { tenantId, id } = server.record;
  const entry = { tenantId, actor, action: "mcp_tool.call", target: `mcp_tool:${tool.id}`, outcome: "deny", reason: refusal.code } as const;
  const details = { serverId: id, name: tool.name, hash: tool.hash };
  await database.asTenant(tenantId, async (tx) => {
    await audit.record(tx, { ...entry, details });
    if (step && refusal.code === "tool_changed") await insertWait(tx, { tenantId, serverId: id, tool: tool.name, step });
  });
  throw refusal;
}

type Asked = Pick<Use, "hash"> & { server: { record: Pick<SupervisedServer["record"], "name"> } };

/** Why a tool may not be called, if so. */
export function refusalOf({ server, hash: bound }: Asked, tool: PinnedTool): AppError | undefined {
  const isAsApproved = tool.approval === "approved" && tool.hash === tool.approvedHash;
  if (isAsApproved && !tool.isDisabled && (bound === undefined || bound === tool.hash)) return undefined;
  const what = `The tool ${tool.name} of ${server.record.name}`;
  const why = tool.reason === null ? "" : `: ${tool.reason}`;
  if (tool.isDisabled) return new AppError("mcp_tool_disabled", `${what} is disabled${why}.`);
  if (tool.approval === "changed") return new AppError("tool_changed", `${what} is not what was approved any more.`);
  if (tool.approval !== "approved") return new AppError("mcp_tool_not_approved", `${what} is ${tool.approval}${why}.`);
  const remedy = "A step of a run goes on by itself with the definition that is approved now.";
  return new AppError("tool_changed", `${what} is not what this step was bound to any more.`, { remedy });
}
