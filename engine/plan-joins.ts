import type { Definition, NodeOf, WorkflowEdge } from "#contract/definition.ts";
import type { PlanJoin } from "./types.ts";

/** The joins that go on before all their branches have ended. */
export function planJoins({ nodes, edges }: Definition): Map<string, PlanJoin> {
  const joins = new Map<string, PlanJoin>();
  for (const node of nodes) {
    if (node.type === "join" && node.data.mode !== "all") {
      joins.set(node.id, { needed: neededOf(node), losers: losersOf(node.id, edges) });
    }
  }
  return joins;
}

export const neededOf = ({ data: { mode, n } }: NodeOf<"join">): number => (mode === "any" ? 1 : (n ?? 1));

/** Nodes before the join from which every way leads to it: once it has gone on, nobody needs them. */
function losersOf(joinId: string, edges: readonly WorkflowEdge[]): string[] {
  const targets = Map.groupBy(edges, (edge) => edge.source);
  const sources = Map.groupBy(edges, (edge) => edge.target);
  const losers = new Set<string>();
  const todo = (sources.get(joinId) ?? []).map(({ source }) => source);
  for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
    const ways = targets.get(id) ?? [];
    if (losers.has(id) || !ways.every(({ target }) => target === joinId || losers.has(target))) continue;
    losers.add(id);
    todo.push(...(sources.get(id) ?? []).map(({ source }) => source));
  }
  return [...losers];
}
