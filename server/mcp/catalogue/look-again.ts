/*
 * What the scan finds in a tool depends on the tools of other servers: those that its text names, those that it imitates. Whichever
 * of two servers comes second, the findings of both are right afterwards:
 *
 *   the tools that are listed now   → are scanned with what is around them; what is found makes them wait
 *   the tools of other servers      → are looked at again where they name, or look like, what has come; what is found flags them
 */
import type { Audit, AuditRecord, Tx } from "#server/kernel/ports.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { lookedAt, type PinnedTool } from "./catalogue.ts";
import { definitionsOf, saveFindings, type Around } from "./neighbours.pg.ts";
import { skeletonOf } from "./scan/confusables.ts";
import { createLookAlikes } from "./scan/look-alikes.ts";
import type { Mentions } from "./scan/mentions.ts";
import { createSurroundings, type Surroundings } from "./scan/neighbours.ts";
import { scanTool } from "./scan/scan.ts";
import { parseDefinition } from "./tool-definition.ts";
import type { ToolNews } from "./tool-news.ts";
import { toolsWithIds } from "./tools.pg.ts";

type Server = Pick<ServerRecord, "tenantId" | "id" | "environment">;
type News = {
  server: Server;
  /** What the server has come to list, or what of it was approved. */
  names: readonly string[];
  /** What is listed in its environment now. */
  around: readonly Around[];
  /** Undefined when nothing new is listed: then nobody speaks of more tools than before. */
  mentions: Mentions | undefined;
};
/** Tools of another server in which something new was found. */
export type Flagged = { server: Server & { name: string }; tools: { id: string; name: string; findings: string[] }[] };

/** So many definitions are in memory, and keep the process busy, at once. */
const BATCH = 250;
const MOST_SAID = 50;

/** Looks at the tools of other servers that are concerned, and tells the audit trail what is found. The surroundings must be held. */
export async function lookAgain(tx: Tx, audit: Audit, { server, names, around, mentions }: News): Promise<Flagged[]> {
  if (names.length === 0) return [];
  const others = around.filter(({ serverId }) => serverId !== server.id);
  if (mentions) await learn(tx, mentions, others);
  const skeletons = new Set(names.map(skeletonOf));
  const alike = createLookAlikes(names.map((tool) => ({ tool })));
  const concerned = others.filter(({ hash, tool }) => mentions?.isAny(hash, skeletons) === true || alike.of(tool).length > 0);
  if (concerned.length === 0) return [];
  const surroundings = createSurroundings(around);
  const noticed: Noticed[] = [];
  for (const batch of batches(concerned)) noticed.push(...(await lookAt(tx, surroundings, batch)));
  const flagged = [...Map.groupBy(noticed, (one) => one.serverId)].map(([id, tools]): Flagged => {
    return { server: { ...server, id, name: tools[0]?.server ?? "" }, tools };
  });
  for (const one of flagged) await audit.record(tx, flagRecord(one, server));
  return flagged;
}

/** Must be called when it is stored, as all news. */
export async function tellFlagged(news: ToolNews, flagged: readonly Flagged[]): Promise<void> {
  for (const { server, tools } of flagged) {
    const told = tools.map(({ id, name }) => ({ id, name, change: "flagged" as const }));
    news.tell(server, told, await news.affected(server, told));
  }
}

const flagRecord = ({ server, tools }: Flagged, because: Server): AuditRecord => ({
  tenantId: server.tenantId,
  actor: "system:mcp",
  action: "mcp_tool.flagged",
  target: `mcp_server:${server.id}`,
  details: {
    because: `mcp_server:${because.id}`,
    tools: tools.map(({ name }) => name),
    findings: tools.flatMap(({ name, findings }) => findings.map((finding) => `${name}: ${finding}`)).slice(0, MOST_SAID),
  },
});

/** `findings`: those that are new. */
type Noticed = Flagged["tools"][number] & { serverId: string; server: string };

async function lookAt(tx: Tx, surroundings: Surroundings, batch: readonly Around[]): Promise<Noticed[]> {
  const tools = await toolsWithIds(
    tx,
    batch.map(({ id }) => id),
  );
  const looks = tools.map(({ serverId, serverName: server, tool }) => {
    const now = lookedAt(tool, scanTool(parseDefinition(tool.text), surroundings.of(serverId)));
    return { serverId, server, tool, now };
  });
  const changed = looks.filter(({ tool, now }) => now.isFlagged !== tool.isFlagged || !isSame(now.findings, tool.findings));
  if (changed.length === 0) return [];
  await saveFindings(
    tx,
    changed.map(({ now }) => now),
  );
  return changed.flatMap(({ serverId, server, tool, now }) => {
    const findings = now.findings.filter((finding) => !tool.findings.includes(finding));
    return findings.length === 0 ? [] : [{ serverId, server, id: tool.id, name: tool.name, findings }];
  });
}

const isSame = (a: PinnedTool["findings"], b: PinnedTool["findings"]): boolean =>
  a.length === b.length && a.every((finding, i) => finding === b[i]);

async function learn(tx: Tx, mentions: Mentions, tools: readonly Around[]): Promise<void> {
  const unknown = tools.filter(({ hash }) => !mentions.has(hash));
  for (const batch of batches(unknown)) {
    const definitions = await definitionsOf(
      tx,
      batch.map(({ id }) => id),
    );
    for (const { hash, text } of definitions) mentions.learn(hash, parseDefinition(text));
  }
}

const batches = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / BATCH) }, (_, i) => all.slice(i * BATCH, (i + 1) * BATCH));
