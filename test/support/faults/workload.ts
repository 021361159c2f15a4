import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import type { Arena } from "./arena.ts";

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

/** What it has done is undone, the last first, because its last step fails. */
export const UNDONE = workflow(
  "Undone",
  [
    enter("a", { policy: { compensate: "undo_a" } }),
    enter("b", { policy: { compensate: "undo_b" } }),
    { id: "broken", type: "transform", data: { output: "=$error('not today')" } },
    end(),
    enter("undo_a"),
    enter("undo_b"),
  ],
  ["start>a>b>broken>end"],
);

/** One of each shape that a run can have; every one of them enters the ledger. */
const WORKLOAD: readonly DefinitionInput[] = [
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
  workflow(
    "Wait",
    [enter("a"), { id: "hold", type: "wait", data: { forMs: 1_500 } }, enter("z"), end("=steps.z.text")],
    ["start>a>hold>z>end"],
  ),
  workflow(
    "Loop",
    [
      { id: "round", type: "loop", data: { while: "=index < 3", max: 5 } },
      enter("turn", { parentId: "round", scope: "/round[{{ index }}]" }),
      enter("z", { policy: { effect: "none" } }),
      end(),
    ],
    ["start>round>z>end"],
  ),
  workflow(
    "First",
    [
      enter("quick", { delayMs: 1, policy: { effect: "none" } }),
      enter("slow", { policy: { effect: "none" } }),
      { id: "first", type: "join", data: { mode: "any" } },
      enter("z"),
      end("=steps.z.text"),
    ],
    ["start>quick>first", "start>slow>first", "first>z>end"],
  ),
  UNDONE,
];

/** A run that waits for another one. */
export const parentOf = (workflowId: string): DefinitionInput =>
  workflow(
    "Parent",
    [
      enter("a", { policy: { effect: "none" } }),
      { id: "child", type: "subworkflow", data: { workflow: workflowId, input: { delayMs: "=input.delayMs" } } },
      enter("z"),
      end("=steps.child"),
    ],
    ["start>a>child>z>end"],
  );

/** Saves one workflow of each shape; answers with their ids. */
export async function saveWorkload(arena: Arena): Promise<string[]> {
  const ids: string[] = [];
  for (const definition of WORKLOAD) ids.push(await arena.saveWorkflow(definition));
  ids.push(await arena.saveWorkflow(parentOf(ids[0] ?? "")));
  return ids;
}
