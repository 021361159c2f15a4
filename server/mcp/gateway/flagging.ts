import { LRUCache } from "lru-cache";
import { revealHidden } from "#contract/hidden-text.ts";
import { sha256 } from "../catalogue/canonical.ts";
import { scanDefinition } from "../catalogue/scan/scan.ts";
import { isRecord } from "../connection/json-value.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { ServerLogs } from "../supervision/server-logs.ts";

type Item = Record<string, unknown>;
type Findings = readonly string[];

/** What the scan finds in what servers list, and what becomes of it. The same list is looked at once, however often it is asked for. */
export type Flagging = {
  /** All of them, and with each what was found in it. */
  mark(items: readonly Item[]): readonly Item[];
  /** Those without findings. The server's log says once which others it lists. */
  withoutFlagged(server: SupervisedServer, items: readonly Item[]): readonly Item[];
};

const MOST_LISTS = 10_000;
const MOST_ITEMS = 200_000;
const MOST_NAMED = 20;
const LONGEST_NAME = 100;

export function createFlagging(logs: Pick<ServerLogs, "add">): Flagging {
  const seen = new LRUCache<string, readonly Findings[]>({
    max: MOST_LISTS,
    maxSize: MOST_ITEMS,
    sizeCalculation: (found) => found.length + 1,
  });
  const told = new WeakMap<SupervisedServer, Set<string>>();
  const scan = (items: readonly Item[]): readonly Findings[] => {
    const key = sha256(JSON.stringify(items));
    const found = seen.get(key) ?? items.map((item) => scanDefinition(item));
    seen.set(key, found);
    return found;
  };
  const tell = (server: SupervisedServer, text: string): void => {
    const before = told.get(server) ?? new Set();
    if (before.has(text) || before.size >= MOST_NAMED) return;
    told.set(server, before.add(text));
    logs.add(server.record, "event", text);
  };
  return {
    mark: (items) => {
      const found = scan(items);
      return items.map((item, i) => withFindings(item, found[i] ?? []));
    },
    withoutFlagged(server, items) {
      const found = scan(items);
      const flagged = items.flatMap((item, i) => (found[i]?.length ? [`${nameOf(item)} (${found[i].join("; ")})`] : []));
      if (flagged.length === 0) return items;
      const more = flagged.length > MOST_NAMED ? ` and ${flagged.length - MOST_NAMED} more` : "";
      tell(server, `left out of /mcp for what the scan finds: ${flagged.slice(0, MOST_NAMED).join(", ")}${more}`);
      return items.filter((_, i) => !found[i]?.length);
    },
  };
}

/** The item, or a result, with what was found in it. */
export function withFindings<T extends Item>(item: T, findings: Findings): T {
  if (findings.length === 0) return item;
  const meta = isRecord(item["_meta"]) ? item["_meta"] : {};
  return { ...item, _meta: { ...meta, "auterity.dev/findings": [...findings] } };
}

const nameOf = (item: Item): string => revealHidden(String(item["uri"] ?? item["uriTemplate"] ?? item["name"])).slice(0, LONGEST_NAME);
