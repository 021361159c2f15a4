/*
 * What a definition says about tools of other servers. A tool that explains how to use another server's tool, or is called
 * almost like one, wants calls that are meant for that one.
 */
import { skeletonOf } from "./confusables.ts";
import { createLookAlikes } from "./look-alikes.ts";

/** A tool of a server of the tenant and environment. */
export type Neighbour = { readonly serverId: string; readonly server: string; readonly tool: string; readonly isApproved: boolean };

export type Neighbourhood = {
  /** The other servers' tools that a text of this server names, as `server/tool`. */
  namedIn(text: string): string[];
  /** The approved tool of another server that this name imitates, as `server/tool`. */
  imitatedBy(name: string): string | undefined;
};

/** All tools of an environment, as each of its servers sees them. */
export type Surroundings = {
  /** A server may speak of its own tools. */
  of(serverId: string): Neighbourhood;
};

export function createSurroundings(tools: readonly Neighbour[]): Surroundings {
  const bySkeleton = Map.groupBy(tools, ({ tool }) => skeletonOf(tool));
  const approved = createLookAlikes(tools.filter(({ isApproved }) => isApproved));
  const called = (skeleton: string): readonly Neighbour[] => bySkeleton.get(skeleton) ?? [];
  return {
    of: (serverId) => ({
      namedIn(text) {
        const named = new Set<string>();
        for (const skeleton of namesIn(text)) {
          const tools = called(skeleton);
          if (tools.some((tool) => tool.serverId === serverId)) continue;
          for (const { server, tool } of tools) named.add(`${server}/${tool}`);
        }
        return [...named];
      },
      imitatedBy(name) {
        const isOwn = (tool: string): boolean => called(skeletonOf(tool)).some((one) => one.serverId === serverId && one.tool === tool);
        const original = approved.of(name).find((one) => one.serverId !== serverId && !isOwn(one.tool));
        return original && `${original.server}/${original.tool}`;
      },
    }),
  };
}

/** A name that is no word of prose: `send_email`, `get-sum`, `readFile`. */
const IDENTIFIER = /^[\p{L}\p{N}]+(?:[_.:/-][\p{L}\p{N}]+)+$|\p{Ll}\p{Lu}/u;
const WORD = /(?<quote>`?)(?<name>[\p{L}\p{N}_][\p{L}\p{N}_.:/-]{0,127})/gu;

/** Of what in a text could be the name of a tool, the skeletons. */
export function namesIn(text: string): Set<string> {
  const names = new Set<string>();
  for (const { groups } of text.matchAll(WORD)) {
    const name = (groups?.["name"] ?? "").replace(/[.:/-]+$/u, "");
    if (groups?.["quote"] === "`" || IDENTIFIER.test(name)) names.add(skeletonOf(name));
  }
  return names;
}
