import type { Json } from "#contract/common.ts";
import { Retry, type Definition, type Effect, type WorkflowEdge, type WorkflowNode } from "#contract/definition.ts";
import { compileValue } from "./expressions/index.ts";
import { OUTSIDE_TYPES, type OutsideType, type Plan, type PlanBody, type PlanNode } from "./types.ts";

const NO_RETRY = Retry.parse({});

export const isOutside = (type: string): type is OutsideType => OUTSIDE_TYPES.some((outside) => outside === type);

/** Prepares a valid definition for running; compiles every expression once. Pass only what `validate` accepted. */
export function compile(definition: Definition): Plan {
  const nodes = new Map<string, PlanNode>();
  const outgoing = new Map<string, { handle: string; target: PlanNode }[]>();
  const incoming = countBy(definition.edges, (edge) => edge.target);
  for (const node of definition.nodes) {
    const edges: { handle: string; target: PlanNode }[] = [];
    outgoing.set(node.id, edges);
    nodes.set(node.id, planNode(node, { incoming: incoming.get(node.id) ?? 0, outgoing: edges }));
  }
  for (const edge of definition.edges) {
    const target = nodes.get(edge.target);
    if (target) outgoing.get(edge.source)?.push({ handle: handleOf(edge), target });
  }
  return { definition, nodes, bodies: bodiesOf([...nodes.values()]) };
}

export const handleOf = (edge: WorkflowEdge): string => edge.sourceHandle ?? "success";

type Links = Pick<PlanNode, "incoming" | "outgoing">;

function planNode(node: WorkflowNode, links: Links): PlanNode {
  return {
    id: node.id,
    type: node.type,
    node,
    parentId: node.parentId ?? null,
    effect: node.policy?.effect ?? defaultEffect(node),
    retry: node.policy?.retry ?? NO_RETRY,
    timeoutMs: node.policy?.timeoutMs ?? null,
    ...links,
    value: compileValue(valueOf(node), { nodeId: node.id, field: "data" }).compiled,
  };
}

/** Nobody knows what a tool or an agent does: unless something says otherwise, once. Models change nothing. */
const defaultEffect = ({ type }: WorkflowNode): Effect => (isOutside(type) && type !== "openai_model" ? "once" : "none");

/** The part of a node's data that is computed when it runs. */
export function valueOf(node: WorkflowNode): Json {
  switch (node.type) {
    case "start":
      return null;
    case "end":
      return node.data.output ?? null;
    case "transform":
      return node.data.output;
    case "condition":
      return node.data.when;
    case "map":
      return node.data.items;
    default:
      return plain(node.data);
  }
}

/** A JSON round trip drops members that are `undefined`. */
const plain = (value: object): Json => JSON.parse(JSON.stringify(value));

function bodiesOf(nodes: readonly PlanNode[]): Map<string | null, PlanBody> {
  const byParent = Map.groupBy(nodes, (node) => node.parentId);
  if (!byParent.has(null)) byParent.set(null, []);
  return new Map(
    [...byParent].map(([parentId, inside]) => [
      parentId,
      {
        nodes: inside,
        entries: inside.filter((node) => node.incoming === 0),
        terminals: inside.filter((node) => node.outgoing.length === 0),
      },
    ]),
  );
}

function countBy<T>(items: readonly T[], key: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}
