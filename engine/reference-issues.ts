import type { Definition, WorkflowNode } from "#contract/definition.ts";
import type { Issue } from "#contract/errors.ts";
import { compileValue, type CompiledValue } from "./expressions/index.ts";
import { secretsIn, valueOf } from "./plan.ts";

type Reference = CompiledValue["references"][number];
type Graph = {
  nodes: ReadonlyMap<string, WorkflowNode>;
  /** Nodes that end before this one can begin, itself not included; computed when first asked for. */
  before(id: string): ReadonlySet<string>;
};

/** What the fields of a node are called in `data`, for those types that compute only one of them. */
const FIELD: Partial<Record<WorkflowNode["type"], string>> = {
  end: "output",
  transform: "output",
  condition: "when",
  map: "items",
  loop: "while",
  context: "set",
  team: "input",
  code: "input",
};

/** Expressions that do not parse, and names in them that mean nothing where they stand. */
export function referenceIssues(definition: Definition): Issue[] {
  const graph = graphOf(definition);
  return definition.nodes.flatMap((node, index) => {
    const field = FIELD[node.type];
    const at = `nodes[${index}].data${field === undefined ? "" : `.${field}`}`;
    const { compiled, issues } = compileValue(valueOf(node), { nodeId: node.id, field: at, secretsIn: secretsIn(node) });
    return [
      ...issues.map(({ field: path, position, message, code }) => withPosition({ path, nodeId: node.id, message, code }, position)),
      ...compiled.references.flatMap((reference) => {
        const message = problemWith(reference, node, graph);
        return message === undefined
          ? []
          : [withPosition({ path: reference.field, nodeId: node.id, message, code: "expression_invalid" }, reference.position)];
      }),
    ];
  });
}

const withPosition = (issue: Issue, position: number | undefined): Issue => (position === undefined ? issue : { ...issue, position });

function problemWith({ root, name }: Reference, node: WorkflowNode, graph: Graph): string | undefined {
  switch (root) {
    case "input":
    case "context":
    case "run":
      return undefined;
    case "item":
    case "index":
      return node.parentId === undefined && node.type !== "loop" ? `${root} exists only inside a map or a loop.` : undefined;
    case "steps":
      return name === undefined ? "Name the step: steps.<id>." : stepProblem(name, node, graph);
    case "secrets":
      return "A secret may be named only in the headers of an http node, and alone: `=secrets.NAME` or `{{ secrets.NAME }}`.";
    default:
      return `${root} means nothing here; expected input, steps.<id>, context.<key>, run, or inside a map or loop item and index.`;
  }
}

function stepProblem(name: string, node: WorkflowNode, graph: Graph): string | undefined {
  const target = graph.nodes.get(name);
  if (!target) return `There is no step ${name}.`;
  // Look outwards: the node itself and the maps around it, each at the level of the step that is read.
  for (let at: WorkflowNode | undefined = node; at; at = at.parentId === undefined ? undefined : graph.nodes.get(at.parentId)) {
    if (at.parentId !== target.parentId) continue;
    if (graph.before(at.id).has(name)) return undefined;
    return `${name} does not come before ${at.id}, so its output cannot be read here.`;
  }
  return `${name} lies inside the ${graph.nodes.get(target.parentId ?? "")?.type ?? "map"} ${target.parentId ?? ""}; read that node's output instead.`;
}

function graphOf({ nodes, edges }: Definition): Graph {
  // What undoes a step comes after it, although no edge says so.
  const undoing = nodes.flatMap(({ id, policy }) => (policy?.compensate === undefined ? [] : [{ source: id, target: policy.compensate }]));
  const sources = Map.groupBy([...edges, ...undoing], (edge) => edge.target);
  const known = new Map<string, ReadonlySet<string>>();
  const before = (id: string): ReadonlySet<string> => {
    const cached = known.get(id);
    if (cached) return cached;
    const found = new Set<string>();
    const todo = [id];
    for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
      for (const { source } of sources.get(at) ?? []) {
        if (found.has(source)) continue;
        found.add(source);
        todo.push(source);
      }
    }
    known.set(id, found);
    return found;
  };
  return { nodes: new Map(nodes.map((node) => [node.id, node])), before };
}
