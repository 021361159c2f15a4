import type { Definition, WorkflowNode } from "#contract/definition.ts";
import type { Issue } from "#contract/errors.ts";
import { LIMITS } from "#contract/limits.ts";
import { isContainer, isOutside } from "./plan.ts";
import { neededOf } from "./plan-joins.ts";
import { teamIssues } from "./team-issues.ts";

/** Policies that name other nodes, and numbers that the graph cannot meet. */
export function policyIssues(definition: Definition): Issue[] {
  const nodes = new Map(definition.nodes.map((node) => [node.id, node]));
  return definition.nodes.flatMap((node, index) => [
    ...compensateIssues(node, index, { definition, nodes }),
    ...grantIssues(node, index, nodes),
    ...joinIssues(node, index, definition),
    ...teamIssues(node, index),
    ...cacheIssues(node, index),
    ...codeIssues(node, index),
  ]);
}

const issueAt = (node: WorkflowNode, index: number, { field, message }: { field: string; message: string }): Issue => ({
  path: `nodes[${index}].${field}`,
  nodeId: node.id,
  message,
});

type Graph = { definition: Definition; nodes: ReadonlyMap<string, WorkflowNode> };

/** What undoes a step stands beside the flow: nothing leads to it or away from it. */
function compensateIssues(node: WorkflowNode, index: number, { definition, nodes }: Graph): Issue[] {
  const id = node.policy?.compensate;
  const issue = (message: string): Issue[] => [issueAt(node, index, { field: "policy.compensate", message })];
  if (id === undefined) {
    return node.policy?.onError === "compensate"
      ? [issueAt(node, index, { field: "policy.onError", message: "Expected `compensate` to name the node that undoes this one." })]
      : [];
  }
  const target = nodes.get(id);
  if (!target) return issue(`There is no node ${id}.`);
  if (target === node) return issue("A node cannot undo itself.");
  if (target.parentId !== node.parentId) return issue(`Expected ${id} beside ${node.id}, in the same map or loop.`);
  if (isContainer(target.type) || ["start", "end", "approval", "wait", "join", "note"].includes(target.type))
    return issue(`A node of type ${target.type} cannot undo another; expected a tool, an agent, a request or a transform.`);
  if (definition.edges.some(({ source, target: to }) => source === id || to === id))
    return issue(`Expected no edge to or from ${id}: it runs only to undo.`);
  if (definition.nodes.some((other) => other !== node && other.policy?.compensate === id))
    return issue(`${id} undoes another node already; expected one of its own.`);
  return [];
}

function grantIssues(node: WorkflowNode, index: number, nodes: ReadonlyMap<string, WorkflowNode>): Issue[] {
  const id = node.policy?.grant;
  if (id === undefined) return [];
  const approval = nodes.get(id);
  const issue = (message: string): Issue[] => [issueAt(node, index, { field: "policy.grant", message })];
  if (approval?.type !== "approval")
    return issue(`Expected the id of an approval node; ${id} ${approval ? `is of type ${approval.type}` : "does not exist"}.`);
  if (approval.data.arguments === undefined) return issue(`Expected ${id} to say in \`arguments\` what it approves.`);
  return [];
}

function joinIssues(node: WorkflowNode, index: number, { edges }: Definition): Issue[] {
  if (node.type !== "join" || node.data.mode !== "n") return [];
  const incoming = edges.filter(({ target }) => target === node.id).length;
  if (neededOf(node) <= incoming) return [];
  return [
    issueAt(node, index, {
      field: "data.n",
      message: `Expected at most ${incoming}, the number of edges that lead here; got ${neededOf(node)}.`,
    }),
  ];
}

function cacheIssues(node: WorkflowNode, index: number): Issue[] {
  const { cache, effect = "none", grant } = node.policy ?? {};
  if (cache === undefined) return [];
  const issue = (message: string): Issue[] => [issueAt(node, index, { field: "policy.cache", message })];
  if (effect !== "none" && effect !== "idempotent")
    return issue(`A result can be reused only where a call changes nothing; this node's effect is ${effect}.`);
  if (!isOutside(node.type) || node.type === "subworkflow")
    return issue(`Expected a call to the outside: the results of a ${node.type} are not kept.`);
  return grant === undefined ? [] : issue("A step that needs a grant is never answered from an earlier one.");
}

function codeIssues(node: WorkflowNode, index: number): Issue[] {
  const timeoutMs = node.policy?.timeoutMs ?? 0;
  if (node.type !== "code" || timeoutMs <= LIMITS.codeMaxMs) return [];
  return [
    issueAt(node, index, { field: "policy.timeoutMs", message: `Expected at most ${LIMITS.codeMaxMs} ms for code; got ${timeoutMs}.` }),
  ];
}
