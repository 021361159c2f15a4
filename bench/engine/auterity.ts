import type { DefinitionInput } from "#contract/definition.ts";
import { isFinal } from "#contract/runs.ts";
import { openPlatform, saveDefinition, type BenchPlatform } from "./platform.ts";

export type Expression = "plain" | "jsonata";
export type MeasureOptions = {
  /** A login that may create roles, on a database of the benchmark's own. */
  url: string;
  /** Workflows under way at once; a new one begins when one ends. */
  runs: number;
  /** Steps per workflow, one after another. */
  steps: number;
  expression: Expression;
  /** `confidential` encrypts every value. */
  classification?: "normal" | "confidential";
  /** Workflows measured, after a warm-up of a tenth of them. */
  total?: number;
  /** Workflows run one after another for the time that one step adds. */
  singles?: number;
};
export type Measured = { stepsPerSecond: number; startsPerSecond: number; msPerStep: number };

/** What each step computes: a counter that goes up by one, in the plain part of the language or through all of JSONata. */
const INCREMENT: Record<Expression, (before: string) => string> = {
  plain: (before) => `=${before} + 1`,
  jsonata: (before) => `=$sum([${before}, 1])`,
};

function chain({ steps, expression, classification = "normal" }: MeasureOptions): DefinitionInput {
  const ids = Array.from({ length: steps }, (_, i) => `step${i}`);
  const before = (i: number): string => (i === 0 ? "input.value" : `steps.step${i - 1}`);
  return {
    version: 2,
    name: `Chain of ${steps}, ${expression}, ${classification}`,
    classification,
    nodes: [
      { id: "start", type: "start" },
      ...ids.map((id, i) => ({ id, type: "transform" as const, data: { output: INCREMENT[expression](before(i)) } })),
      { id: "end", type: "end", data: { output: `=steps.step${steps - 1}` } },
    ],
    edges: [...ids, "end"].map((target, i) => ({ id: `to_${target}`, source: i === 0 ? "start" : `step${i - 1}`, target })),
  };
}

/** Durable steps per second of the real executor: validated, audited, redacted starts and ends included. */
export async function measure(options: MeasureOptions): Promise<Measured> {
  const platform = await openPlatform(options.url);
  try {
    const workflowId = await saveDefinition(platform, chain(options));
    const run = runner(platform, workflowId, options.steps);
    const { runs, steps, total = Math.max(1_000, runs * 20), singles = 15 } = options;
    await keepGoing(run, { runs, total: Math.ceil(total / 10) });
    const began = performance.now();
    await keepGoing(run, { runs, total });
    const seconds = (performance.now() - began) / 1_000;
    return {
      stepsPerSecond: (total * steps) / seconds,
      startsPerSecond: total / seconds,
      msPerStep: await singleStep(run, { singles, steps }),
    };
  } finally {
    await platform.close();
  }
}

/** Starts a run and resolves when it has succeeded. */
function runner({ runs, live, tenantId }: BenchPlatform, workflowId: string, steps: number): () => Promise<void> {
  type Waiting = { resolve: () => void; reject: (error: Error) => void };
  const waiting = new Map<string, Waiting>();
  const early = new Map<string, string>();
  const settle = (runId: string, status: string): void => {
    const { resolve, reject } = waiting.get(runId) ?? {};
    if (!resolve || !reject) early.set(runId, status);
    else if (status === "succeeded") resolve();
    else reject(new Error(`A run of the benchmark ended ${status}.`));
    waiting.delete(runId);
  };
  live.subscribe(tenantId, (event) => {
    if (event.type === "run" && isFinal(event.status)) settle(event.runId, event.status);
  });
  return async () => {
    const { id } = await runs.startRun({ tenantId, initiator: "system:bench", workflowId, input: { value: 0 } });
    await new Promise<void>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      const status = early.get(id);
      if (status !== undefined) settle(id, status);
      early.delete(id);
    });
    if (steps < 1) throw new Error("A chain needs a step.");
  };
}

async function keepGoing(run: () => Promise<void>, { runs, total }: { runs: number; total: number }): Promise<void> {
  let left = total;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await run();
    }
  };
  await Promise.all(Array.from({ length: Math.min(runs, total) }, worker));
}

async function singleStep(run: () => Promise<void>, { singles, steps }: { singles: number; steps: number }): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < singles; i += 1) {
    const began = performance.now();
    await run();
    times.push((performance.now() - began) / steps);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(singles / 2)] ?? Number.NaN;
}
