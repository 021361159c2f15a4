import type { Issue } from "#contract/errors.ts";
import { LIMITS } from "#contract/limits.ts";
import type { Migrated, OldEdge, OldGraph, OldStep } from "./graph.ts";

/** The steps in the order in which they were executed one after another: of several that could, the first in the list that became free. */
export function inOrder({ steps, edges }: OldGraph): OldStep[] {
  const left = new Map(steps.map(({ id }) => [id, 0]));
  for (const { target } of edges) left.set(target, (left.get(target) ?? 0) + 1);
  const outgoing = Map.groupBy(edges, ({ source }) => source);
  const byId = new Map(steps.map((step) => [step.id, step]));
  const free = steps.filter(({ id }) => left.get(id) === 0);
  for (let i = 0; i < free.length; i += 1) {
    for (const { target } of outgoing.get(free[i]?.id ?? "") ?? []) {
      const count = (left.get(target) ?? 0) - 1;
      left.set(target, count);
      const step = byId.get(target);
      if (count === 0 && step) free.push(step);
    }
  }
  return free;
}

/** What the old engines failed at while they ran, or passed over in silence. Names the steps. */
export function graphProblems(graph: OldGraph): Issue[] {
  const { steps, edges } = graph;
  const { nodesPerWorkflow, edgesPerWorkflow } = LIMITS;
  if (steps.length > nodesPerWorkflow || edges.length > edgesPerWorkflow) {
    const message = `Expected at most ${nodesPerWorkflow} steps and ${edgesPerWorkflow} edges; got ${steps.length} and ${edges.length}.`;
    return [{ path: "", message }];
  }
  if (steps.length === 0) return [{ path: "", message: "Expected at least one step; there is none to execute." }];
  const ids = new Set(steps.map(({ id }) => id));
  const twice = steps.filter(({ id }, i) => steps.findIndex((step) => step.id === id) !== i);
  const problems = [
    ...steps.filter(({ type }) => type === "").map(({ id }) => ({ path: "", nodeId: id, message: `Expected a type; ${id} has none.` })),
    ...twice.map(({ id }) => ({ path: "", nodeId: id, message: `Expected each id once; ${id} is used again.` })),
    ...edges.flatMap((edge) => dangling(edge, ids)),
  ];
  if (problems.length > 0) return problems;
  const done = new Set(inOrder(graph).map(({ id }) => id));
  const stuck = steps.filter(({ id }) => !done.has(id)).map(({ id }) => id);
  if (stuck.length === 0) return [];
  return [{ path: "", message: `Expected no cycle; ${stuck.join(", ")} wait for one another.`, nodeId: stuck[0] ?? "" }];
}

function dangling({ id, source, target }: OldEdge, ids: ReadonlySet<string>): Issue[] {
  return [source, target]
    .filter((end) => !ids.has(end))
    .map((end) => ({
      path: "",
      message: `The edge ${id} leads from ${source || "nowhere"} to ${target || "nowhere"}; there is no step ${end || "without an id"}.`,
    }));
}

/** Every step names those before it whose values it may read: that grows faster than the old definition. */
export function tooLarge(id: string): Migrated {
  const message = `Expected a definition of at most ${LIMITS.bodyBytes} characters; with ${id}, what is made of this one has more. Split it.`;
  return { definition: undefined, issues: [{ path: "", nodeId: id, message }], warnings: [] };
}

/** For each step, those that end before it begins. */
export function ancestorsOf(order: readonly OldStep[], edges: readonly OldEdge[]): Map<string, Set<string>> {
  const incoming = Map.groupBy(edges, ({ target }) => target);
  const ancestors = new Map<string, Set<string>>();
  for (const { id } of order) {
    const before = (incoming.get(id) ?? []).map(({ source }) => source);
    ancestors.set(id, new Set(before.flatMap((source) => [source, ...(ancestors.get(source) ?? [])])));
  }
  return ancestors;
}
