import type { Json } from "#contract/common.ts";
import type { Definition, NodeOf, NodeType, WorkflowNode } from "#contract/definition.ts";
import { memberId } from "#engine/index.ts";

/** Kinds that share a colour: the four kinds of agents, what steers the flow, and what works on data. */
export type NodeFamily = "flow" | "mcp" | "model" | "custom" | "a2a" | "data";

export const FAMILY: Readonly<Record<NodeType, NodeFamily>> = {
  start: "flow",
  end: "flow",
  agent: "custom",
  mcp_tool: "mcp",
  openai_model: "model",
  custom_agent: "custom",
  a2a_agent: "a2a",
  team: "custom",
  transform: "data",
  condition: "flow",
  switch: "flow",
  map: "data",
  loop: "data",
  join: "flow",
  wait: "flow",
  approval: "flow",
  subworkflow: "flow",
  context: "data",
  http: "mcp",
  code: "data",
  note: "flow",
};

export const nodeLabel = (node: Pick<WorkflowNode, "id" | "label">): string => node.label ?? node.id;

/** The second line of a node: what it calls or computes. Empty when there is nothing to add. */
export function nodeSubtitle(node: WorkflowNode): string {
  switch (node.type) {
    case "mcp_tool":
      return `${node.data.server} · ${node.data.tool}`;
    case "openai_model":
      return node.data.model;
    case "custom_agent":
      return `${node.data.agent} · ${node.data.skill}`;
    case "a2a_agent":
      return node.data.agent;
    case "transform":
      return brief(node.data.output);
    case "condition":
      return brief(node.data.when);
    case "map":
      return brief(node.data.items);
    case "loop":
      return brief(node.data.while);
    case "switch":
      return brief(node.data.value);
    case "agent":
      return node.data.agent;
    case "team":
      return `${node.data.mode} · ${node.data.members.map(({ name }) => name).join(", ")}`;
    case "subworkflow":
      return node.data.workflow;
    case "http":
      return `${node.data.method} ${node.data.url.replace(/^=/, "")}`;
    case "wait":
      return waitSubtitle(node.data);
    case "approval":
      return node.data.approvers.join(", ");
    case "context":
      return Object.keys(node.data.set).join(", ");
    case "code":
      return brief(node.data.source);
    case "join":
      return node.data.n === undefined ? node.data.mode : `${node.data.n}`;
    case "note":
      return brief(node.data.text);
    default:
      return "";
  }
}

/** What is waited for, without words: a signal's name, a time or a number of ms, or nothing for a call. */
function waitSubtitle({ signal, until, forMs }: NodeOf<"wait">["data"]): string {
  if (forMs !== undefined) return typeof forMs === "number" ? `${forMs / 1_000} s` : brief(forMs);
  return brief(signal ?? until ?? "");
}

/** A value as one short line: an expression without its `=`, an object by its keys. */
function brief(value: Json): string {
  if (typeof value === "string") return value.replace(/^=/, "").replaceAll(/\s+/g, " ").trim();
  if (Array.isArray(value)) return `[${value.length}]`;
  if (value !== null && typeof value === "object") return `{ ${Object.keys(value).join(", ")} }`;
  return String(value);
}

/** Of every node, and of the members of teams. */
export function labelsOf(definition: Definition | undefined): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const node of definition?.nodes ?? []) {
    labels.set(node.id, nodeLabel(node));
    if (node.type !== "team") continue;
    for (const { name } of node.data.members) labels.set(memberId(node.id, name), name);
  }
  return labels;
}
