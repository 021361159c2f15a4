import type { Decided } from "#contract/mcp/tool-review.ts";
import type { Tool } from "#contract/mcp/tools.ts";
import type { Effect } from "#contract/policy.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import type { Audit, Database, Tx } from "#server/kernel/ports.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { approved, rejected, type PinnedTool } from "./catalogue.ts";
import { lookAgain, tellFlagged, type Flagged } from "./look-again.ts";
import { holdSurroundings, toolsAround } from "./neighbours.pg.ts";
import { parseDefinition, proposedEffect } from "./tool-definition.ts";
import { findKnownTool, findTool, saveTool, viewTool, type ServerTool } from "./tools.pg.ts";
import type { ToolNews } from "./tool-news.ts";
import type { ToolWaits } from "./waits.ts";

export type DecideDeps = {
  database: Database;
  audit: Audit;
  supervisor: Supervisor;
  waits: Pick<ToolWaits, "settle">;
  news: ToolNews;
  /** A loopback install: whoever has registered the server may approve its tools. */
  ownerApproves: boolean;
};

/** About exactly the definition with this hash: `conflict` when the server lists another one by now. */
type About = { id: string; hash: string };
export type ToolDecisions = {
  /** Without an effect the tool's own annotations are accepted. */
  approve(caller: Caller, request: About & { effect?: Effect | undefined; acceptFindings: boolean }): Promise<Tool>;
  reject(caller: Caller, request: About & { reason: string }): Promise<Tool>;
  approveAll(
    caller: Caller,
    request: { tools: readonly (About & { effect?: Effect | undefined })[]; acceptFindings: boolean },
  ): Promise<Decided>;
  rejectAll(caller: Caller, request: { tools: readonly About[]; reason: string }): Promise<Decided>;
  /** Whatever the server lists, and also when it does not list the tool: what is to be stopped must not slip away by changing. */
  disable(caller: Caller, request: { id: string; reason: string }): Promise<Tool>;
  enable(caller: Caller, request: About): Promise<Tool>;
};

type Decision = {
  verb: "approved" | "rejected" | "disabled" | "enabled";
  id: string;
  hash?: string;
  /** Throws when it must not be. */
  apply: (tool: PinnedTool) => PinnedTool;
  reason?: string;
};

/** What people decide about tools. Each decision is audited and told to listeners; the steps that wait for it go on. */
export function toolDecisions(deps: DecideDeps): ToolDecisions {
  const approve: ToolDecisions["approve"] = (caller, { id, hash, effect, acceptFindings }) =>
    decide(deps, caller, {
      verb: "approved",
      id,
      hash,
      apply: (tool) => {
        if (tool.findings.length > 0 && !acceptFindings) throw suspicious(tool);
        return approved(tool, effect ?? proposedEffect(parseDefinition(tool.text).annotations));
      },
    });
  const reject: ToolDecisions["reject"] = (caller, { id, hash, reason }) =>
    decide(deps, caller, { verb: "rejected", id, hash, reason, apply: (tool) => rejected(tool, reason) });
  return {
    approve,
    reject,
    approveAll: (caller, { tools, acceptFindings }) => eachOf(tools, (tool) => approve(caller, { ...tool, acceptFindings })),
    rejectAll: (caller, { tools, reason }) => eachOf(tools, (tool) => reject(caller, { ...tool, reason })),
    disable: (caller, { id, reason }) =>
      decide(deps, caller, { verb: "disabled", id, reason, apply: (tool) => ({ ...tool, isDisabled: true, reason }) }),
    enable: (caller, { id, hash }) =>
      decide(deps, caller, { verb: "enabled", id, hash, apply: (tool) => ({ ...tool, isDisabled: false, reason: null }) }),
  };
}

async function decide(deps: DecideDeps, caller: Caller, decision: Decision): Promise<Tool> {
  const { database, supervisor, waits, news } = deps;
  const { verb, id } = decision;
  const { tenantId } = caller;
  const known = await database.asTenant(tenantId, (tx) => mustFind(tx, decision));
  const { serverId } = known;
  const server = await supervisor.get(tenantId, serverId);
  if (verb === "approved" || verb === "enabled") await mustBeAnother(deps, caller, { id, verb, registeredBy: server.record.createdBy });
  let flagged: Flagged[] = [];
  const tool = await server.catalogue.change(async (): Promise<PinnedTool> => {
    const made = await store(deps, caller, { decision, known });
    flagged = made.flagged;
    return made.decided;
  });
  waits.settle({ tenantId, serverId, tool: tool.name });
  const told = [{ id, name: tool.name, change: verb }];
  news.tell(server.record, told, await news.affected(server.record, told));
  await tellFlagged(news, flagged);
  return viewTool({ ...known, tool });
}

type Storing = { decision: Decision; known: ServerTool };

/**
 * Decides about what is stored, which is what people look at: where several processes run the server, the last one that has found
 * something else than before has written it, and each of them compares what its own one lists.
 */
function store({ database, audit }: DecideDeps, { tenantId, ref: actor }: Caller, { decision, known }: Storing) {
  const { verb, id, hash, reason } = decision;
  const { serverId, environment } = known;
  return database.asTenant(tenantId, async (tx) => {
    await holdSurroundings(tx, { tenantId, environment });
    const { tool: current } = await mustFind(tx, decision);
    if (hash !== undefined && current.hash !== hash) throw anotherListed(current);
    const decided = decision.apply(current);
    await saveTool(tx, { tenantId, serverId, tool: decided, by: actor });
    const about = { serverId, name: current.name, hash: current.hash, effect: decided.effect, findings: [...decided.findings] };
    // From now on others may look like a tool that is approved.
    const names = verb === "approved" ? [current.name] : [];
    const around = names.length === 0 ? [] : await toolsAround(tx, environment);
    const server = { id: serverId, tenantId, environment };
    const flagged = await lookAgain(tx, audit, { server, names, around, mentions: undefined });
    const details = { ...about, ...(reason !== undefined && { reason }) };
    await audit.record(tx, { tenantId, actor, action: `mcp_tool.${verb}`, target: `mcp_tool:${id}`, details });
    return { decided, flagged };
  });
}

/** What is to be stopped must not slip away by not being listed just now. */
async function mustFind(tx: Tx, { id, verb }: Decision): Promise<ServerTool> {
  const found = await (verb === "disabled" ? findKnownTool : findTool)(tx, id);
  if (!found) throw new AppError("not_found", `There is no tool ${id}.`);
  return found;
}

type Deciding = { id: string; verb: Decision["verb"]; registeredBy: string };

/** Elsewhere than on a loopback install, whoever has registered a server lets somebody else say that its tools may be used. */
async function mustBeAnother(
  { database, audit, ownerApproves }: DecideDeps,
  caller: Caller,
  { id, verb, registeredBy }: Deciding,
): Promise<void> {
  const { tenantId, ref: actor } = caller;
  if (ownerApproves || registeredBy !== actor) return;
  const entry = { tenantId, actor, action: `mcp_tool.${verb}`, target: `mcp_tool:${id}` };
  const reason = "maker and checker are the same";
  await database.asTenant(tenantId, (tx) => audit.record(tx, { ...entry, outcome: "deny", reason }));
  throw new AppError("permission_denied", "A tool must be approved by somebody other than who registered its server.", {
    remedy: "Ask another owner or admin to approve it.",
  });
}

const anotherListed = ({ name, hash }: PinnedTool): AppError =>
  new AppError("conflict", `The server lists another definition of ${name} than the one with this hash; now it is ${hash}.`, {
    remedy: "Look at the difference again, and decide about what is listed now.",
  });

const suspicious = ({ name, findings }: PinnedTool): AppError =>
  new AppError("tool_suspicious", `The scan has found something in the definition of ${name}: ${findings.slice(0, 3).join("; ")}.`);

/** One after the other: tools of one server take turns anyway. */
async function eachOf<T extends About>(tools: readonly T[], decideOne: (tool: T) => Promise<Tool>): Promise<Decided> {
  const decided: Decided = { items: [], refused: [] };
  for (const tool of tools) {
    try {
      decided.items.push(await decideOne(tool));
    } catch (thrown) {
      const error = toAppError(thrown);
      if (error.code === "internal") throw thrown;
      decided.refused.push({ id: tool.id, code: error.code, message: error.message, remedy: error.remedy });
    }
  }
  return decided;
}
