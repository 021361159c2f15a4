import { handlesOf, type Definition, type WorkflowEdge, type WorkflowNode } from "#contract/definition.ts";
import type { Issue } from "#contract/errors.ts";
import { handleOf } from "./plan.ts";
import { policyIssues } from "./policy-issues.ts";

/** Everything that is wrong with the shape of the graph. */
export function graphIssues(definition: Definition): Issue[] {
  const nodes = new Map(definition.nodes.map((node) => [node.id, node]));
  return [
    ...duplicates(definition),
    ...definition.nodes.flatMap((node, index) => placeIssues(node, index, nodes)),
    ...definition.edges.flatMap((edge, index) => edgeIssues(edge, index, nodes)),
    ...beginningAndEnd(definition),
    ...cycleIssues(definition),
    ...unreachableIssues(definition),
    ...policyIssues(definition),
  ];
}

function duplicates({ nodes, edges }: Definition): Issue[] {
  const seenNodes = new Set<string>();
  const seenEdges = new Set<string>();
  const issues: Issue[] = [];
  for (const [index, { id }] of nodes.entries()) {
    if (seenNodes.has(id)) issues.push({ path: `nodes[${index}].id`, nodeId: id, message: `Expected a new id; ${id} is used before.` });
    seenNodes.add(id);
  }
  for (const [index, { id }] of edges.entries()) {
    if (seenEdges.has(id)) issues.push({ path: `edges[${index}].id`, message: `Expected a new id; ${id} is used before.` });
    seenEdges.add(id);
  }
  return issues;
}

function placeIssues(node: WorkflowNode, index: number, nodes: ReadonlyMap<string, WorkflowNode>): Issue[] {
  if (node.parentId === undefined) return [];
  const issue = (field: string, message: string): Issue => ({ path: `nodes[${index}].${field}`, nodeId: node.id, message });
  const parent = nodes.get(node.parentId);
  if (!parent) return [issue("parentId", `Expected the id of a map or loop node; there is no node ${node.parentId}.`)];
  if (node.type === "note") return [];
  if (parent.type !== "map" && parent.type !== "loop")
    return [issue("parentId", `Expected the id of a map or loop node; ${parent.id} is of type ${parent.type}.`)];
  if (isOwnAncestor(node, nodes)) return [issue("parentId", `A ${parent.type} cannot lie inside itself.`)];
  if (node.type === "start" || node.type === "end")
    return [issue("type", `A node of type ${node.type} belongs at the top, not inside a ${parent.type}.`)];
  return [];
}

function isOwnAncestor(node: WorkflowNode, nodes: ReadonlyMap<string, WorkflowNode>): boolean {
  const seen = new Set<string>();
  for (let at = node.parentId; at !== undefined && !seen.has(at); at = nodes.get(at)?.parentId) {
    if (at === node.id) return true;
    seen.add(at);
  }
  return false;
}

function edgeIssues(edge: WorkflowEdge, index: number, nodes: ReadonlyMap<string, WorkflowNode>): Issue[] {
  const issue = (field: string, message: string): Issue => ({ path: `edges[${index}].${field}`, message });
  const source = nodes.get(edge.source);
  const target = nodes.get(edge.target);
  if (!source) return [issue("source", `There is no node ${edge.source}.`)];
  if (!target) return [issue("target", `There is no node ${edge.target}.`)];
  const issues: Issue[] = [];
  if (source === target) issues.push(issue("target", "An edge cannot lead back to its own source."));
  if (source.parentId !== target.parentId)
    issues.push(issue("target", `${target.id} is not beside ${source.id}: an edge cannot cross the border of a map or loop.`));
  if (target.type === "start" || target.type === "note") issues.push(issue("target", `No edge can lead to a ${target.type}.`));
  const handles = handlesOf(source);
  if (!handles.includes(handleOf(edge))) {
    const expected = handles.length === 0 ? "No edge leaves" : `Expected ${handles.join(" or ")} for an edge from`;
    issues.push(issue("sourceHandle", `${expected} ${source.id} (${source.type}); got ${handleOf(edge)}.`));
  }
  return issues;
}

function beginningAndEnd({ nodes }: Definition): Issue[] {
  const issues: Issue[] = [];
  const starts = nodes.filter((node) => node.type === "start" && node.parentId === undefined);
  if (starts.length !== 1) issues.push({ path: "nodes", message: `Expected one start node, got ${starts.length}.` });
  if (!nodes.some((node) => node.type === "end")) issues.push({ path: "nodes", message: "Expected at least one end node." });
  for (const [index, node] of nodes.entries()) {
    if ((node.type !== "map" && node.type !== "loop") || nodes.some(({ parentId, type }) => parentId === node.id && type !== "note"))
      continue;
    issues.push({
      path: `nodes[${index}]`,
      nodeId: node.id,
      message: `Expected at least one node inside the ${node.type} (with its id as parentId).`,
    });
  }
  return issues;
}

/** Names one cycle, as the walk along it. */
function cycleIssues({ nodes, edges }: Definition): Issue[] {
  const next = targetsBySource(edges);
  const incoming = new Map<string, number>();
  for (const { target } of edges) incoming.set(target, (incoming.get(target) ?? 0) + 1);
  const free = nodes.map(({ id }) => id).filter((id) => !incoming.has(id));
  const left = new Set(nodes.map(({ id }) => id));
  for (let id = free.pop(); id !== undefined; id = free.pop()) {
    left.delete(id);
    for (const target of next.get(id) ?? []) {
      const count = (incoming.get(target) ?? 0) - 1;
      incoming.set(target, count);
      if (count === 0) free.push(target);
    }
  }
  const walk = cycleAmong(left, edges);
  return walk.length === 0
    ? []
    : [{ path: "edges", message: `Expected no cycle; found ${walk.join(" → ")}. Repeat work with a loop or a map instead.` }];
}

/** Follows edges backwards among nodes that all have an incoming one: the walk must meet itself. */
function cycleAmong(left: ReadonlySet<string>, edges: readonly WorkflowEdge[]): string[] {
  const before = new Map<string, string>();
  for (const { source, target } of edges) if (left.has(source) && left.has(target)) before.set(target, source);
  let at: string | undefined = before.keys().next().value;
  const seen = new Set<string>();
  while (at !== undefined && !seen.has(at)) {
    seen.add(at);
    at = before.get(at);
  }
  if (at === undefined) return [];
  const first = at;
  const walk = [first];
  for (let id = before.get(first); id !== undefined && id !== first; id = before.get(id)) walk.push(id);
  return [first, ...walk.slice(1).toReversed(), first];
}

function unreachableIssues({ nodes, edges }: Definition): Issue[] {
  const next = targetsBySource(edges);
  const targets = new Set(edges.map(({ target }) => target));
  const begin = nodes.filter((node) => (node.parentId === undefined ? node.type === "start" : !targets.has(node.id)));
  const reached = new Set<string>();
  const todo = begin.map(({ id }) => id);
  for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
    if (reached.has(id)) continue;
    reached.add(id);
    todo.push(...(next.get(id) ?? []));
  }
  const undoing = new Set(nodes.map(({ policy }) => policy?.compensate));
  return nodes.flatMap((node, index) =>
    reached.has(node.id) || undoing.has(node.id) || node.type === "note"
      ? []
      : [{ path: `nodes[${index}]`, nodeId: node.id, message: `Expected a way from the start to ${node.id}; there is none.` }],
  );
}

function targetsBySource(edges: readonly WorkflowEdge[]): Map<string, string[]> {
  const next = new Map<string, string[]>();
  for (const { source, target } of edges) {
    const known = next.get(source);
    if (known) known.push(target);
    else next.set(source, [target]);
  }
  return next;
}
