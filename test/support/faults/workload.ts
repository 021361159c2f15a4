import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";

type NodeInput = DefinitionInput["nodes"][number];
type Enter = { policy?: NodeInput["policy"]; parentId?: string; after?: string; delayMs?: Json; scope?: string };

/** A step that writes a line into the ledger, which names the step as the journal does: run, scope, node. */
export function enter(
  id: string,
  { policy = {}, parentId, after = "answer", delayMs = "=input.delayMs", scope = "" }: Enter = {},
): NodeInput {
  const entry = `{{ run.id }}${scope}/${id}`;
  return {
    id,
    type: "mcp_tool",
    data: { server: "ledger", tool: "enter", arguments: { entry, delayMs, after } },
    policy,
    ...(parentId === undefined ? {} : { parentId }),
  };
}

/** Edges are written `a>b>c`, with a handle as in `a:true>b`. */
export function workflow(name: string, nodes: readonly NodeInput[], edges: readonly string[]): DefinitionInput {
  const pairs = edges.flatMap((path) => {
    const stops = path.split(">");
    return stops.slice(1).map((target, i) => `${stops[i]}>${target.split(":")[0]}`);
  });
  return {
    version: 2,
    name,
    nodes: [{ id: "start", type: "start" }, ...nodes],
    edges: pairs.map((pair) => {
      const [from = "", target = ""] = pair.split(">");
      const [source = "", sourceHandle] = from.split(":");
      return { id: pair, source, target, ...(sourceHandle === undefined ? {} : { sourceHandle }) };
    }),
  };
}

export const end = (output: Json = null): NodeInput => ({ id: "end", type: "end", data: { output } });
const retry = (backoffMs: number) => ({ maxAttempts: 3, backoffMs, jitter: 0, on: ["tool_failed"] });

/** One of each shape that a run can have; every one of them enters the ledger. */
export const WORKLOAD: readonly DefinitionInput[] = [
  workflow(
    "Linear",
    [
      enter("a"),
      enter("b", { policy: { effect: "none" } }),
      enter("c"),
      enter("d", { policy: { effect: "idempotent" } }),
      end("=steps.c.text"),
    ],
    ["start>a>b>c>d>end"],
  ),
  workflow(
    "Fan",
    [
      ...Array.from({ length: 8 }, (_, i) => enter(`f${i}`, i % 2 === 0 ? {} : { policy: { effect: "none" } })),
      { id: "sum", type: "transform", data: { output: "=[steps.f0.text, steps.f7.text]" } },
      end("=steps.sum"),
    ],
    [...Array.from({ length: 8 }, (_, i) => `start>f${i}>sum`), "sum>end"],
  ),
  workflow(
    "Retry",
    [enter("a"), enter("again", { after: "fail", policy: { retry: retry(300) } }), enter("z"), end()],
    ["start>a>again>z>end"],
  ),
  workflow(
    "Timer",
    [enter("a"), enter("later", { after: "fail", policy: { effect: "none", retry: retry(2_000) } }), enter("z"), end()],
    ["start>a>later>z>end"],
  ),
  workflow(
    "Map",
    [
      { id: "each", type: "map", data: { items: "=[1..6]", concurrency: 3 } },
      enter("item", { parentId: "each", scope: "/each[{{ index }}]" }),
      enter("free", { policy: { effect: "none" } }),
      end(),
    ],
    ["start>each>free>end"],
  ),
  workflow(
    "Branch",
    [
      enter("a"),
      { id: "which", type: "condition", data: { when: "=input.delayMs > 20" } },
      enter("slow"),
      enter("quick"),
      end("=[steps.slow.text, steps.quick.text]"),
    ],
    ["start>a>which", "which:true>slow>end", "which:false>quick>end"],
  ),
];
