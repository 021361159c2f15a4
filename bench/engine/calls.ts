import { setTimeout as pause } from "node:timers/promises";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import { openPlatform, saveDefinition, type BenchPlatform } from "./platform.ts";
import { medianMs, runner } from "./run-many.ts";
import { agentsAtOnce, agentsInChain, callingChain } from "./workflows.ts";

const CALLS = 10;
const THINKING_MS = 100;
const AT_ONCE = [2, 10, 50];
const IN_CHAIN = [2, 10];

export type MeasuredCalls = {
  /** Of a `once` step whose call takes no time: two commits. */
  msPerOnceStep: number;
  /** The slowest of k agents at once, as a multiple of one. */
  parallelRatio: number;
  /** The slowest of k agents one after another, as a multiple of the time that the agents themselves took. */
  chainRatio: number;
};

/** What the executor adds to calls, one run at a time. The calls are made in this process, so that nothing else is measured. */
export async function measureCalls(url: string): Promise<MeasuredCalls> {
  let thoughtMs = 0;
  const nothing: StepExecutor = { prepare: async () => ({}), run: async () => null };
  const thinks: StepExecutor = {
    prepare: async () => ({}),
    run: async () => {
      const began = performance.now();
      await pause(THINKING_MS);
      thoughtMs += performance.now() - began;
      return null;
    },
  };
  const platform = await openPlatform(url, { mcp_tool: nothing, custom_agent: thinks });
  try {
    const msPerOnceStep = (await timeOf(platform, callingChain(CALLS), 15)) / CALLS;
    const one = await timeOf(platform, agentsAtOnce(1), 7);
    const atOnce: number[] = [];
    for (const k of AT_ONCE) atOnce.push((await timeOf(platform, agentsAtOnce(k), 5)) / one);
    const inChain: number[] = [];
    for (const k of IN_CHAIN) {
      const run = await runnerOf(platform, agentsInChain(k));
      await run();
      thoughtMs = 0;
      const began = performance.now();
      for (let i = 0; i < 3; i += 1) await run();
      inChain.push((performance.now() - began) / thoughtMs);
    }
    return { msPerOnceStep, parallelRatio: Math.max(...atOnce), chainRatio: Math.max(...inChain) };
  } finally {
    await platform.close();
  }
}

type Workflow = Parameters<typeof saveDefinition>[1];
const runnerOf = async (platform: BenchPlatform, workflow: Workflow) => runner(platform, await saveDefinition(platform, workflow));

async function timeOf(platform: BenchPlatform, workflow: Workflow, count: number): Promise<number> {
  const run = await runnerOf(platform, workflow);
  await run();
  return medianMs(run, count);
}
