import type { DefinitionInput } from "#contract/definition.ts";

export type Expression = "plain" | "jsonata";
export type Classification = "normal" | "confidential";
type NodeInput = DefinitionInput["nodes"][number];

/** What each step computes: a counter that goes up by one, in the plain part of the language or through all of JSONata. */
const INCREMENT: Record<Expression, (before: string) => string> = {
  plain: (before) => `=${before} + 1`,
  jsonata: (before) => `=$sum([${before}, 1])`,
};

type Counting = { steps: number; expression: Expression; classification: Classification };

/** Steps that add one, one after another. `confidential` encrypts every value. */
export function countingChain({ steps, expression, classification }: Counting): DefinitionInput {
  const before = (i: number): string => (i === 0 ? "input.value" : `steps.step${i - 1}`);
  const nodes = range(steps).map((i): NodeInput => ({
    id: `step${i}`,
    type: "transform",
    data: { output: INCREMENT[expression](before(i)) },
  }));
  return { ...chain(nodes, `=steps.step${steps - 1}`), name: `Chain of ${steps}, ${expression}, ${classification}`, classification };
}

/** Calls of a tool that may happen only once, one after another: each is journaled before it is made and when it has ended. */
export const callingChain = (steps: number): DefinitionInput =>
  chain(
    range(steps).map((i): NodeInput => ({ id: `call${i}`, type: "mcp_tool", data: { server: "bench", tool: "nothing", arguments: {} } })),
    null,
  );

const agent = (i: number): NodeInput => ({ id: `agent${i}`, type: "custom_agent", data: { agent: "bench", skill: "think" } });

export const agentsInChain = (count: number): DefinitionInput => chain(range(count).map(agent), null);

export function agentsAtOnce(count: number): DefinitionInput {
  const agents = range(count).map(agent);
  return workflow(
    agents,
    agents.flatMap(({ id }) => [["start", id] as const, [id, "end"] as const]),
    null,
  );
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function chain(nodes: readonly NodeInput[], output: string | null): DefinitionInput {
  const ids = ["start", ...nodes.map(({ id }) => id), "end"];
  return workflow(
    nodes,
    ids.slice(1).map((target, i) => [ids[i] ?? "", target] as const),
    output,
  );
}

function workflow(nodes: readonly NodeInput[], edges: readonly (readonly [string, string])[], output: string | null): DefinitionInput {
  return {
    version: 2,
    name: `${nodes.length} nodes, ${edges.length} edges`,
    nodes: [{ id: "start", type: "start" }, ...nodes, { id: "end", type: "end", data: { output } }],
    edges: edges.map(([source, target], i) => ({ id: `e${i}`, source, target })),
  };
}
