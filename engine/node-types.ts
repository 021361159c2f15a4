import { z } from "zod";
import { Json } from "#contract/common.ts";
import { NODE_TYPES, WorkflowNode, handlesOfType, type NodeType } from "#contract/definition.ts";
import type { NodeTypeInfo } from "#contract/workflows.ts";

type Words = Pick<NodeTypeInfo, "title" | "summary" | "category" | "outputSchema">;

const TOOL_OUTPUT = {
  type: "object",
  properties: { text: { type: "string" }, structuredContent: {}, content: { type: "array" }, isError: { type: "boolean" } },
};
const MODEL_OUTPUT = {
  type: "object",
  properties: {
    text: { type: "string" },
    json: {},
    usage: { type: "object" },
    finishReason: { type: "string" },
    toolCalls: { type: "array" },
  },
};

const WORDS: Record<NodeType, Words> = {
  start: { title: "Start", summary: "Where a run begins; its output is the run's input.", category: "flow" },
  end: { title: "End", summary: "Where a run ends; computes the run's output.", category: "flow" },
  agent: { title: "Agent", summary: "Calls a registered agent of any kind.", category: "agent" },
  mcp_tool: { title: "MCP tool", summary: "Calls a tool of an MCP server.", category: "agent", outputSchema: TOOL_OUTPUT },
  openai_model: { title: "Model", summary: "Asks an OpenAI-compatible model.", category: "agent", outputSchema: MODEL_OUTPUT },
  custom_agent: { title: "Custom agent", summary: "Calls a skill of a program that is connected to the platform.", category: "agent" },
  a2a_agent: { title: "A2A agent", summary: "Sends a message to an A2A agent and waits for its task.", category: "agent" },
  team: { title: "Team", summary: "Lets several agents work on one task: in turn, at once, or as one of them decides.", category: "agent" },
  transform: { title: "Transform", summary: "Computes a value.", category: "data" },
  condition: { title: "Condition", summary: "Goes on by `true` or `false`.", category: "flow" },
  switch: { title: "Switch", summary: "Goes on by the case whose value it is.", category: "flow" },
  map: { title: "Map", summary: "Runs the nodes inside it once per item, several at a time.", category: "flow" },
  loop: { title: "Loop", summary: "Repeats the nodes inside it while a condition holds.", category: "flow" },
  join: { title: "Join", summary: "Goes on after all branches, the first, or the first few.", category: "flow" },
  wait: { title: "Wait", summary: "Waits for a time, a signal or a call from outside.", category: "flow" },
  approval: { title: "Approval", summary: "Asks people whether to go on.", category: "flow" },
  subworkflow: { title: "Sub-workflow", summary: "Runs another workflow and waits for its output.", category: "flow" },
  context: { title: "Context", summary: "Sets values that the steps of the run share.", category: "data" },
  http: { title: "HTTP request", summary: "Calls a web address.", category: "agent" },
  code: { title: "Code", summary: "Computes a value with JavaScript that can reach nothing else.", category: "data" },
  note: { title: "Note", summary: "Text for readers; it does nothing.", category: "flow" },
};

/** What the palette, the forms and `GET /node-types` need to know, in the palette's order. */
export const NODE_TYPE_INFO: readonly NodeTypeInfo[] = NODE_TYPES.map((type) => ({
  type,
  ...WORDS[type],
  handles: [...handlesOfType(type)],
  dataSchema: dataSchemaOf(type),
}));

function dataSchemaOf(type: NodeType): NodeTypeInfo["dataSchema"] {
  const option = WorkflowNode.options.find((candidate) => candidate.shape.type.value === type);
  const schema = option === undefined ? {} : z.toJSONSchema(option.shape.data, { io: "input", unrepresentable: "any" });
  return z.record(z.string(), Json).parse(JSON.parse(JSON.stringify(schema)));
}
