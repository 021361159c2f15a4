/*
 * A graph of old steps as a definition of today. The old engines handed one flat bag of values from step to step, each adding to
 * it. Here every step's output is what it adds, and whoever reads the bag merges the input with what the steps before it have
 * added, in the order in which they were once executed: so branches may run at the same time and the bag is still the same.
 */
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import type { Issue } from "#contract/errors.ts";
import { LIMITS } from "#contract/limits.ts";
import { edgesOf, type Ends } from "./compile-edges.ts";
import { compileStep, type CompiledStep } from "./compile-step.ts";
import type { Migrated, OldGraph, OldStep } from "./graph.ts";
import { Names } from "./names.ts";
import { ancestorsOf, graphProblems, inOrder, tooLarge } from "./order.ts";
import { kindOf } from "./step-kinds.ts";
import { literal } from "./text.ts";

const INPUT_ATTEMPTS = 3;

export function compileGraph(graph: OldGraph): Migrated {
  const issues = graphProblems(graph);
  if (issues.length > 0) return { definition: undefined, issues, warnings: [] };
  const order = inOrder(graph);
  const names = new Names(graph.steps);
  const ends = endsOf(graph, names);
  const variables = Object.keys(graph.defaults).length === 0 ? undefined : names.fresh("variables");
  const base = variables === undefined ? ["input"] : [`steps.${variables}`, "input"];
  const ancestors = ancestorsOf(order, graph.edges);
  const compiled = new Map<string, CompiledStep>();
  const added = (ids: (id: string) => boolean): string =>
    merged([...base, ...order.filter(({ id }) => ids(id)).flatMap(({ id }) => compiled.get(id)?.adds ?? [])]);
  const warnings: Issue[] = [];
  let size = 0;
  for (const step of order) {
    const isStart = step.id === ends.startId;
    const branches = graph.edges.filter(({ source }) => source === step.id).length;
    const one = compileStep(step, {
      names,
      isStart,
      branches,
      attempts: INPUT_ATTEMPTS,
      bag: added((id) => ancestors.get(step.id)?.has(id) ?? false),
    });
    compiled.set(step.id, one);
    size += JSON.stringify(one.nodes).length;
    if (size > LIMITS.bodyBytes) return tooLarge(step.id);
    warnings.push(...one.warnings);
  }
  const result = `=${added(() => true)}`;
  const nodes = [
    ...(ends.startId === undefined ? [{ id: ends.start, type: "start" as const }] : []),
    ...(variables === undefined
      ? []
      : [{ id: variables, type: "transform" as const, label: "Variables", data: { output: literal(graph.defaults) } }]),
    ...order.flatMap((step) =>
      step.id === ends.endId ? [endNode(step, { id: ends.end, output: result })] : (compiled.get(step.id)?.nodes ?? []),
    ),
    ...(ends.endId === undefined ? [{ id: ends.end, type: "end" as const, data: { output: result } }] : []),
  ];
  const definition: DefinitionInput = {
    version: 2,
    name: (graph.name ?? "").trim().slice(0, LIMITS.nameChars) || "Imported workflow",
    ...(graph.description !== undefined && { description: graph.description.slice(0, LIMITS.descriptionChars) }),
    input: { type: "object" },
    nodes,
    edges: edgesOf(graph, { compiled, ends, variables }),
  };
  return { definition, issues: [], warnings };
}

const merged = (parts: readonly string[]): string => (parts.length === 1 ? (parts[0] ?? "input") : `$merge([${parts.join(", ")}])`);

/** A definition begins and ends with one node each: the old one's, if it had exactly one. */
function endsOf({ steps, edges }: OldGraph, names: Names): Ends {
  const [first, ...otherRoots] = steps.filter(({ id }) => !edges.some(({ target }) => target === id));
  const [last, ...otherLeaves] = steps.filter(({ id }) => !edges.some(({ source }) => source === id));
  const isStart = first && otherRoots.length === 0 && kindOf(first.type) === "marker" && first.type !== "end" && steps.length > 1;
  const isEnd = last && otherLeaves.length === 0 && last.type === "end" && last !== first;
  return {
    start: isStart ? names.of(first.id) : names.fresh("start"),
    end: isEnd ? names.of(last.id) : names.fresh("end"),
    ...(isStart && { startId: first.id }),
    ...(isEnd && { endId: last.id }),
  };
}

function endNode({ label, position }: OldStep, { id, output }: { id: string; output: Json }): DefinitionInput["nodes"][number] {
  return { id, type: "end", label: label.slice(0, LIMITS.nameChars), ...(position && { position }), data: { output } };
}
