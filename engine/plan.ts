import type { Json } from "#contract/common.ts";
import type { Definition, NodeOf, WorkflowEdge, WorkflowNode } from "#contract/definition.ts";
import { LIMITS } from "#contract/limits.ts";
import { copyJson } from "#contract/parse-json.ts";
import { Retry, type Effect } from "#contract/policy.ts";
import { compileValue } from "./expressions/index.ts";
import { planJoins } from "./plan-joins.ts";
import { OUTSIDE_TYPES, type ContainerType, type OutsideType, type Plan, type PlanBody, type PlanJoin, type PlanNode } from "./types.ts";

const NO_RETRY = Retry.parse({});

export const isOutside = (type: string): type is OutsideType => OUTSIDE_TYPES.some((outside) => outside === type);
export const isContainer = (type: string): type is ContainerType => type === "map" || type === "loop" || type === "team";

/** Prepares a valid definition for running; compiles every expression once. Pass only what `validate` accepted. */
export function compile(definition: Definition): Plan {
  const all = definition.nodes.filter(({ type }) => type !== "note").flatMap((node) => [node, ...membersOf(node)]);
  const nodes = new Map<string, PlanNode>();
  const outgoing = new Map<string, { handle: string; target: PlanNode }[]>();
  const incoming = Map.groupBy(definition.edges, (edge) => edge.target);
  const joins = planJoins(definition);
  for (const node of all) {
    const edges: { handle: string; target: PlanNode }[] = [];
    outgoing.set(node.id, edges);
    nodes.set(node.id, planNode(node, { incoming: incoming.get(node.id)?.length ?? 0, outgoing: edges, join: joins.get(node.id) ?? null }));
  }
  for (const edge of definition.edges) {
    const target = nodes.get(edge.target);
    if (target) outgoing.get(edge.source)?.push({ handle: handleOf(edge), target });
  }
  const hasApprovals = definition.nodes.some(({ type }) => type === "approval");
  const hookIds = definition.nodes.filter((node) => node.type === "wait" && node.data.webhook === true).map(({ id }) => id);
  return { definition, nodes, bodies: bodiesOf(definition, [...nodes.values()]), hookIds, hasApprovals };
}

export const handleOf = (edge: WorkflowEdge): string => edge.sourceHandle ?? "success";

export const memberId = (teamId: string, member: string): string => `${teamId}.${member}`;

/** A team's members as nodes inside it: each turn is a step of one of them. They share the team's retries, time limit and effect. */
function membersOf(node: WorkflowNode): NodeOf<"agent">[] {
  if (node.type !== "team") return [];
  const { timeoutMs, retry, effect } = node.policy ?? {};
  return node.data.members.map(({ name, agent, skill, model }) => ({
    id: memberId(node.id, name),
    type: "agent",
    label: name,
    parentId: node.id,
    policy: { timeoutMs, retry, effect },
    data: { agent, skill, model, input: "=item" },
  }));
}

type Links = Pick<PlanNode, "incoming" | "outgoing"> & { join: PlanJoin | null };

function planNode(node: WorkflowNode, links: Links): PlanNode {
  return {
    id: node.id,
    type: node.type,
    node,
    parentId: node.parentId ?? null,
    effect: node.policy?.effect ?? defaultEffect(node),
    retry: node.policy?.retry ?? NO_RETRY,
    timeoutMs: timeoutOf(node),
    ...links,
    value: compileValue(valueOf(node), { nodeId: node.id, field: "data", secretsIn: secretsIn(node) }).compiled,
  };
}

/** Code is stopped by what runs it, a little earlier. */
function timeoutOf({ type, policy }: WorkflowNode): number | null {
  if (type === "code") return (policy?.timeoutMs ?? LIMITS.codeMs) + LIMITS.codeGraceMs;
  return policy?.timeoutMs ?? null;
}

/** Nobody knows what a tool or an agent does: unless something says otherwise, once. */
function defaultEffect(node: WorkflowNode): Effect {
  switch (node.type) {
    case "agent":
    case "mcp_tool":
    case "custom_agent":
    case "a2a_agent":
      return "once";
    case "http":
      return HTTP_EFFECT[node.data.method];
    case "subworkflow":
      return "idempotent";
    default:
      return "none";
  }
}

/** RFC 9110, 9.2: safe and idempotent methods. */
const HTTP_EFFECT = {
  GET: "none",
  HEAD: "none",
  OPTIONS: "none",
  PUT: "idempotent",
  DELETE: "idempotent",
  POST: "once",
  PATCH: "once",
} as const;

/** The part of a node's data that is computed when it runs. */
export function valueOf(node: WorkflowNode): Json {
  switch (node.type) {
    case "start":
    case "join":
    case "note":
      return null;
    case "end":
      return node.data.output ?? null;
    case "transform":
      return node.data.output;
    case "condition":
      return node.data.when;
    case "map":
      return node.data.items;
    case "loop":
      return node.data.while;
    case "context":
      return node.data.set;
    case "team":
      return node.data.input;
    // Code is not made of expressions, whatever it contains.
    case "code":
      return node.data.input;
    default:
      return copyJson(node.data);
  }
}

/** Where its texts may name secrets: only what sends them learns their values. */
export const secretsIn = ({ type }: WorkflowNode): string | undefined => (type === "http" ? "headers" : undefined);

function bodiesOf({ nodes: defined }: Definition, nodes: readonly PlanNode[]): Map<string | null, PlanBody> {
  const undoing = new Set(defined.map(({ policy }) => policy?.compensate));
  const byParent = Map.groupBy(
    nodes.filter(({ id }) => !undoing.has(id)),
    (node) => node.parentId,
  );
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
