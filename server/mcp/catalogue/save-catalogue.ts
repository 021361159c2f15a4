import type { Audit, AuditRecord, Database } from "#server/kernel/ports.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { markPinned } from "../registration/servers.pg.ts";
import type { CatalogueChange } from "./catalogue.ts";
import { lookAgain, tellFlagged } from "./look-again.ts";
import { holdSurroundings, toolsAround, type Around } from "./neighbours.pg.ts";
import { createMentions, type Mentions } from "./scan/mentions.ts";
import type { CataloguePorts, FreshList } from "./server-catalogue.ts";
import type { ToldTool, ToolNews } from "./tool-news.ts";
import { saveTool, toolsWithNames } from "./tools.pg.ts";

type Deps = { database: Database; audit: Audit; news: ToolNews };

/** What has changed, with its audit rows, and what that means for the tools of other servers: all of it or nothing. */
export function createSaveCatalogue(deps: Deps): CataloguePorts["saveCatalogue"] {
  const { news } = deps;
  const mentions = createMentions();
  return async (server, list) => {
    const workflows = await news.affected(server, list.seen.map(toldOf));
    const { changes, flagged } = await store(deps, { server, list, workflows, mentions });
    if (changes.length > 0) news.tell(server, changes.map(toldOf), workflows);
    await tellFlagged(news, flagged);
    return changes;
  };
}

const toldOf = ({ kind, tool: { id, name } }: CatalogueChange): ToldTool => ({ id, name, change: kind });

type Stored = { server: ServerRecord; list: FreshList; workflows: ReadonlyMap<string, readonly string[]>; mentions: Mentions };

const store = ({ database, audit }: Deps, { server, list, workflows, mentions }: Stored) =>
  database.asTenant(server.tenantId, async (tx) => {
    const { tenantId, id: serverId, createdBy: by } = server;
    await holdSurroundings(tx, server);
    const before = await toolsAround(tx, server.environment);
    const stored = await toolsWithNames(
      tx,
      serverId,
      list.seen.map(({ tool }) => tool.name),
    );
    const pins = list.isFirst && (await markPinned(tx, serverId));
    const changes = list.compare({ around: before, stored, pins });
    for (const { tool } of changes) await saveTool(tx, { tenantId, serverId, tool, by });
    const names = changes.filter(hasCome).map(({ tool }) => tool.name);
    const flagged = await lookAgain(tx, audit, { server, names, around: withChanges(before, server, changes), mentions });
    for (const change of changes) if (isNews(change)) await audit.record(tx, changeRecord(server, change, workflows.get(change.tool.id)));
    const pinned = changes.filter(({ kind, tool }) => kind === "new" && tool.approval === "approved");
    if (pinned.length > 0) {
      const details = { tools: pinned.map(({ tool }) => tool.name), hashes: pinned.map(({ tool }) => tool.hash) };
      await audit.record(tx, { tenantId, actor: by, action: "mcp_tool.approved", target: `mcp_server:${serverId}`, details });
    }
    return { changes, flagged };
  });

function withChanges(before: readonly Around[], { id: serverId, name }: ServerRecord, changes: readonly CatalogueChange[]): Around[] {
  const changed = new Set(changes.map(({ tool }) => tool.name));
  const listed = changes.filter(({ tool }) => tool.listed).map(({ tool }) => tool);
  return [
    ...before.filter((one) => one.serverId !== serverId || !changed.has(one.tool)),
    ...listed.map(({ id, hash, approval, name: tool }) => ({
      id,
      serverId,
      server: name,
      tool,
      hash,
      isApproved: approval === "approved",
    })),
  ];
}

/** Others may have spoken of it, or be called like it, already. */
const hasCome = ({ kind }: CatalogueChange): boolean => kind === "new" || kind === "back" || kind === "reverted";

const isNews = ({ kind, tool }: CatalogueChange): boolean =>
  kind === "changed" || kind === "reverted" || (kind === "new" && tool.approval !== "approved");

function changeRecord(server: ServerRecord, { kind, tool }: CatalogueChange, workflows: readonly string[] = []): AuditRecord {
  const { name, hash, approval, findings } = tool;
  return {
    tenantId: server.tenantId,
    actor: "system:mcp",
    action: `mcp_tool.${kind === "new" ? "found" : kind}`,
    target: `mcp_tool:${tool.id}`,
    details: { name, hash, approval, findings: [...findings], ...(workflows.length > 0 && { workflows: [...workflows] }) },
  };
}
