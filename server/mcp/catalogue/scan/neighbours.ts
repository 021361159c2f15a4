/*
 * What a definition says about tools of other servers. A tool that explains how to use another server's tool, or is called
 * almost like one, wants calls that are meant for that one.
 */
import { skeletonOf } from "./confusables.ts";

/** A tool of another server of the same tenant and environment. */
export type Neighbour = { readonly server: string; readonly tool: string; readonly isApproved: boolean };

export type Neighbourhood = {
  /** The other tools that a text of this server names, as `server/tool`. */
  namedIn(text: string): string[];
  /** The approved tool of another server that this name imitates, as `server/tool`. */
  imitatedBy(name: string): string | undefined;
};

/** Shorter names differ by one letter all the time. */
const SHORTEST_IMITATED = 5;
/** A name that is no word of prose: `send_email`, `get-sum`, `readFile`. */
const IDENTIFIER = /^[\p{L}\p{N}]+(?:[_.:/-][\p{L}\p{N}]+)+$|\p{Ll}\p{Lu}/u;
const WORD = /(?<quote>`?)(?<name>[\p{L}\p{N}_][\p{L}\p{N}_.:/-]{0,127})/gu;

/** `own`: the names that the server itself lists; it may speak of those. */
export function createNeighbourhood(own: Iterable<string>, neighbours: readonly Neighbour[]): Neighbourhood {
  const ownSkeletons = new Set(Array.from(own, skeletonOf));
  const ownNames = new Set(own);
  const bySkeleton = Map.groupBy(neighbours, ({ tool }) => skeletonOf(tool));
  const approved = neighbours.filter(({ isApproved, tool }) => isApproved && tool.length >= SHORTEST_IMITATED);
  return {
    namedIn(text) {
      const named = new Set<string>();
      for (const { groups } of text.matchAll(WORD)) {
        const name = (groups?.["name"] ?? "").replace(/[.:/-]+$/u, "");
        if (!IDENTIFIER.test(name) && groups?.["quote"] !== "`") continue;
        const skeleton = skeletonOf(name);
        if (ownSkeletons.has(skeleton)) continue;
        for (const { server, tool } of bySkeleton.get(skeleton) ?? []) named.add(`${server}/${tool}`);
      }
      return [...named];
    },
    imitatedBy(name) {
      if (name.length < SHORTEST_IMITATED) return undefined;
      const skeleton = skeletonOf(name);
      const original = approved.find(
        ({ tool }) => tool !== name && !ownNames.has(tool) && (skeletonOf(tool) === skeleton || isOneEditAway(tool, name)),
      );
      return original && `${original.server}/${original.tool}`;
    },
  };
}

/** Whether one letter more, less or another makes `a` into `b`. */
function isOneEditAway(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  if (long.length - short.length > 1) return false;
  let same = 0;
  while (same < short.length && short[same] === long[same]) same += 1;
  const rest = short.length === long.length ? same + 1 : same;
  return short.slice(rest) === long.slice(same + 1);
}
