import { isRecord } from "../connection/json-value.ts";
import type { ServerLogs } from "../supervision/server-logs.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { createFlagging, type Flagging } from "./flagging.ts";
import { forward } from "./forward.ts";

export type Item = Record<string, unknown>;

/** What can be listed of a server beside its tools: the method, and the member of the answer that holds the items. */
export const LISTS = {
  resources: { method: "resources/list", member: "resources", capability: "resources" },
  templates: { method: "resources/templates/list", member: "resourceTemplates", capability: "resources" },
  prompts: { method: "prompts/list", member: "prompts", capability: "prompts" },
} as const;
export type ListKind = keyof typeof LISTS;

/** How long one server may keep a list of all servers waiting. What it said last is used then. */
const PATIENCE_MS = 5_000;
const MOST_PAGES = 64;
const MOST_ITEMS = 10_000;

/** What servers said last when they were asked for their lists, so that a server that restarts or hangs hides nothing. */
export type KnownLists = Flagging & {
  /** Of all these servers; each gets so long, and a broken one delays nobody for longer. */
  gather(kind: ListKind, servers: readonly SupervisedServer[]): Promise<{ server: SupervisedServer; items: readonly Item[] }[]>;
  /** What it said last. */
  known(kind: ListKind, server: SupervisedServer): readonly Item[];
};

export function createKnownLists(logs: Pick<ServerLogs, "add">): KnownLists {
  const known = new WeakMap<SupervisedServer, Partial<Record<ListKind, readonly Item[]>>>();
  const last = (kind: ListKind, server: SupervisedServer): readonly Item[] => known.get(server)?.[kind] ?? [];
  const cut = new WeakMap<SupervisedServer, string>();
  const tellCut = (server: SupervisedServer, text: string): void => {
    if (cut.get(server) !== text) logs.add(server.record, "event", text);
    cut.set(server, text);
  };
  const ask = async (kind: ListKind, server: SupervisedServer): Promise<readonly Item[]> => {
    const { connection } = server;
    if (connection === undefined) return last(kind, server);
    if (connection.capabilities[LISTS[kind].capability] === undefined) return [];
    try {
      const { items, isWhole } = await listAll(kind, server);
      if (!isWhole)
        tellCut(server, `lists more ${kind} than /mcp shows: the first ${items.length} of them, from at most ${MOST_PAGES} pages`);
      known.set(server, { ...known.get(server), [kind]: items });
      return items;
    } catch {
      return last(kind, server);
    }
  };
  return {
    ...createFlagging(logs),
    gather: (kind, servers) => Promise.all(servers.map(async (server) => ({ server, items: await ask(kind, server) }))),
    known: last,
  };
}

async function listAll(kind: ListKind, server: SupervisedServer): Promise<{ items: Item[]; isWhole: boolean }> {
  const { method, member } = LISTS[kind];
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const items: Item[] = [];
  let cursor: unknown;
  for (let page = 0; page < MOST_PAGES && items.length < MOST_ITEMS; page += 1) {
    const answer = await forward(server, { method, params: cursor === undefined ? {} : { cursor }, timeoutMs: PATIENCE_MS }, { signal });
    items.push(...itemsOf(answer, member));
    cursor = answer["nextCursor"];
    if (typeof cursor !== "string") return { items, isWhole: items.length <= MOST_ITEMS };
  }
  return { items: items.slice(0, MOST_ITEMS), isWhole: false };
}

export function itemsOf(answer: Item, member: string): Item[] {
  const items = answer[member];
  return Array.isArray(items) ? items.filter(isRecord) : [];
}
