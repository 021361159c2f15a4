import { once } from "node:events";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import { isRecord } from "../connection/json-value.ts";
import { measureSchema } from "../connection/schema-bounds.ts";
import type { SampleAnswer } from "./schema-sample.ts";

/** How long a thread that has nothing to do is kept. */
const IDLE_MS = 30_000;
const HEAP_MB = 128;

/** Both reject with `mcp_schema_unusable` when there is no sample, or none within the time and memory for it. */
export type MakeSample = {
  arguments(inputSchema: Record<string, unknown>): Promise<Record<string, Json>>;
  value(schema: Record<string, unknown>): Promise<Json>;
  stop(): Promise<void>;
};

/**
 * Samples are made in one thread, in turn: a schema can ask for work without an end, and neither the generator nor the
 * validator can be interrupted. A thread that takes too long or grows too large is ended; the next sample gets a new one.
 */
export function createSamples(): MakeSample {
  let thread: Promise<Worker> | undefined;
  let idle: NodeJS.Timeout | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  const end = async (): Promise<void> => {
    clearTimeout(idle);
    const ending = thread;
    thread = undefined;
    await (await ending)?.terminate();
  };
  const make = async (schema: Record<string, unknown>): Promise<SampleAnswer> => {
    clearTimeout(idle);
    const worker = await (thread ??= startThread());
    const answer = await askThread(worker, schema);
    if (answer === undefined) {
      await end();
      return { problem: `it asks for more than ${LIMITS.sampleMs} ms of work or ${HEAP_MB} MiB of memory` };
    }
    idle = setTimeout(() => void end(), IDLE_MS).unref();
    return answer;
  };
  const value = async (schema: Record<string, unknown>): Promise<Json> => {
    const tooMuch = measureSchema(schema);
    if (tooMuch !== undefined) throw unusable(tooMuch);
    if (waiting >= LIMITS.samplesWaiting) throw new AppError("unavailable", "Too many samples are being made.", { retryable: true });
    waiting += 1;
    const mine = turn.then(() => make(schema));
    turn = mine.catch(() => {}).finally(() => (waiting -= 1));
    const answer = await mine;
    if ("problem" in answer) throw unusable(answer.problem);
    return answer.value;
  };
  return {
    value,
    async arguments(inputSchema) {
      const made = await value(inputSchema);
      if (!isRecord(made)) throw unusable("it does not describe an object");
      return made;
    },
    stop: end,
  };
}

const unusable = (why: string): AppError => new AppError("mcp_schema_unusable", `No sample can be made from this schema: ${why}.`);

async function startThread(): Promise<Worker> {
  const worker = new Worker(new URL(`./sample-worker${extname(import.meta.filename)}`, import.meta.url), {
    env: {},
    argv: [],
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  });
  // Whoever has nothing else to do may exit; and a thread that ends in an error is seen by whoever waits for its word.
  worker.unref();
  worker.on("error", () => {});
  await once(worker, "message");
  return worker;
}

/** The thread's answer; undefined when it ended or took too long. */
function askThread(worker: Worker, schema: Record<string, unknown>): Promise<SampleAnswer | undefined> {
  return new Promise((resolve) => {
    const settle = (answer?: SampleAnswer): void => {
      clearTimeout(timer);
      worker.off("message", settle).off("exit", onExit);
      worker.unref();
      resolve(answer);
    };
    const onExit = (): void => settle();
    const timer = setTimeout(() => settle(), LIMITS.sampleMs);
    worker.ref();
    worker.once("message", settle).once("exit", onExit);
    worker.postMessage(schema);
  });
}
