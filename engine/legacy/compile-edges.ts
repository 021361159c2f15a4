import type { DefinitionInput } from "#contract/definition.ts";
import type { CompiledStep } from "./compile-step.ts";
import type { OldEdge, OldGraph } from "./graph.ts";

/** Where a definition begins and ends. */
export type Ends = {
  start: string;
  end: string;
  /** The old steps that are these nodes; without one, the node is new. */ startId?: string;
  endId?: string;
};

type Edge = DefinitionInput["edges"][number];
type Parts = { compiled: ReadonlyMap<string, CompiledStep>; ends: Ends; variables: string | undefined };

/** The old edges under their ids, and those that the new nodes need. */
export function edgesOf({ steps, edges }: OldGraph, { compiled, ends, variables }: Parts): Edge[] {
  const made = new Edges();
  const begin = variables ?? ends.start;
  if (variables !== undefined) made.add(ends.start, variables);
  for (const { id } of steps) {
    const { entry, exit } = compiled.get(id) ?? { entry: id, exit: id };
    const isRoot = !edges.some(({ target }) => target === id);
    if (isRoot && id !== ends.startId) made.add(begin, id === ends.endId ? ends.end : entry);
    if (entry !== exit) made.add(entry, exit);
  }
  const bySource = Map.groupBy(edges, ({ source }) => source);
  for (const edge of edges) {
    const source = edge.source === ends.startId ? begin : (compiled.get(edge.source)?.exit ?? edge.source);
    const target = edge.target === ends.endId ? ends.end : (compiled.get(edge.target)?.entry ?? edge.target);
    const isCondition = compiled.get(edge.source)?.isCondition === true;
    made.add(source, target, { id: edge.id, ...(isCondition && { sourceHandle: handleFor(edge, bySource.get(edge.source) ?? []) }) });
  }
  for (const { id } of steps)
    if (id !== ends.endId) leadToEnd(made, { step: compiled.get(id), edges: bySource.get(id) ?? [], end: ends.end });
  return made.list;
}

/** Yes and no by name; of unnamed edges the first is taken when the condition holds, the others when it does not. */
function handleFor({ id, way }: OldEdge, siblings: readonly OldEdge[]): "true" | "false" {
  const named = nameOf(way);
  if (named) return named;
  const free = siblings.find((sibling) => !nameOf(sibling.way));
  const isFirst = free?.id === id && !siblings.some((sibling) => nameOf(sibling.way) === "true");
  return isFirst ? "true" : "false";
}

function nameOf(way: string): "true" | "false" | undefined {
  const word = way.trim().toLowerCase();
  if (word === "true" || word === "yes") return "true";
  return word === "false" || word === "no" ? "false" : undefined;
}

/** The run ends when all ways have: also by the branch of a condition that leads nowhere. */
function leadToEnd(made: Edges, { step, edges, end }: { step: CompiledStep | undefined; edges: readonly OldEdge[]; end: string }): void {
  if (!step) return;
  if (!step.isCondition) {
    if (edges.length === 0) made.add(step.exit, end);
    return;
  }
  const taken = new Set(edges.map((edge) => handleFor(edge, edges)));
  for (const sourceHandle of ["true", "false"] as const) if (!taken.has(sourceHandle)) made.add(step.exit, end, { sourceHandle });
}

class Edges {
  readonly list: Edge[] = [];
  readonly #ids = new Set<string>();

  add(source: string, target: string, { id = "", ...more }: { id?: string; sourceHandle?: string } = {}): void {
    const wanted = (id === "" ? `${source}-${target}${more.sourceHandle === undefined ? "" : `-${more.sourceHandle}`}` : id).slice(0, 120);
    let unique = wanted;
    for (let i = 2; this.#ids.has(unique); i += 1) unique = `${wanted}-${i}`;
    this.#ids.add(unique);
    this.list.push({ id: unique, source, target, ...more });
  }
}
