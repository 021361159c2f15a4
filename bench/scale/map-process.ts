import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import type { DefinitionInput } from "#contract/definition.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import { openPlatform, saveDefinition } from "../engine/platform.ts";

/*
 * A program of its own, run with --expose-gc: a map of so many items, each a call whose result is kept, and every thousandth of
 * which fails. Prints what it did to the memory, and whether each result is where it belongs.
 */
const [url = "", count = ""] = process.argv.slice(2);
const items = Number(count);
const SAMPLE_MS = 500;

const FAILS_EVERY = 1_000;
const call: StepExecutor = {
  prepare: () => Promise.resolve({ effect: "none" }),
  run: ({ input }) => {
    const { v } = z.object({ arguments: z.object({ v: z.number() }) }).parse(input).arguments;
    if (v % FAILS_EVERY === 0) return Promise.reject(new AppError("tool_failed", `no ${v}`));
    return Promise.resolve(v * 2);
  },
};

const map: DefinitionInput = {
  version: 2,
  name: "Map",
  nodes: [
    { id: "start", type: "start" },
    { id: "each", type: "map", data: { items: "=[1..input.n]", concurrency: 32, onItemError: "continue" } },
    { id: "call", type: "mcp_tool", parentId: "each", data: { server: "s", tool: "t", arguments: { v: "=item" } } },
    { id: "end", type: "end", data: { output: "=steps.each" } },
  ],
  edges: [
    { id: "a", source: "start", target: "each" },
    { id: "b", source: "each", target: "end" },
  ],
};

function used(): number {
  global.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / (1024 * 1024);
}

const platform = await openPlatform(url, { mcp_tool: call });
const workflowId = await saveDefinition(platform, map);
const { tenantId, runs } = platform;

async function carryOut(n: number, onSample: (megabytes: number) => void): Promise<string> {
  const { id } = await runs.startRun({ tenantId, initiator: "system:bench", workflowId, input: { n } });
  let isOver = false;
  const stop = platform.live.subscribe(tenantId, (event) => {
    if (event.type === "run" && event.runId === id && event.status === "succeeded") isOver = true;
  });
  for (let waited = 0; !isOver; waited += 10) {
    await pause(10);
    if (waited % SAMPLE_MS === 0) onSample(used());
  }
  stop();
  return id;
}

/** The results are those of the items, in order. */
async function wrongResults(id: string, n: number): Promise<number> {
  const { output } = await runs.getRun(tenantId, id);
  const results = z.array(z.union([z.number(), z.object({ error: z.object({ code: z.string(), message: z.string() }) })])).parse(output);
  const isRight = (result: (typeof results)[number], i: number): boolean =>
    typeof result === "number" ? result === 2 * (i + 1) : result.error.message === `no ${i + 1}` && (i + 1) % FAILS_EVERY === 0;
  return Math.abs(n - results.length) + results.filter((result, i) => !isRight(result, i)).length;
}

// What is compiled, cached or opened once is no growth.
await carryOut(Math.min(items, 1_000), () => {});
const before = used();
let peak = before;
const began = performance.now();
const id = await carryOut(items, (megabytes) => (peak = Math.max(peak, megabytes)));
const ms = performance.now() - began;
const after = used();
const wrong = await wrongResults(id, items);
console.log(JSON.stringify({ items, grownBy: peak - before, leftBehind: after - before, msPerItem: ms / items, wrong }));
await platform.close();
