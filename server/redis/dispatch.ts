import type { Job, Queue, Worker } from "bullmq";
import { atMost } from "#server/kernel/at-most.ts";
import { background, type Log } from "#server/kernel/log.ts";
import type { Dispatch, WorkListener } from "#server/kernel/ports.ts";
import type { Channels } from "./channels.ts";
import { COMMAND_MS, type Connections } from "./connections.ts";

export type RedisDispatchOptions = {
  connections: Connections;
  channels: Pick<Channels, "publish" | "subscribe">;
  log: Log;
  /** Of this installation. */
  prefix: string;
  /** Names this process in the ids of its jobs. */
  origin: string;
};

/** A job says "about so many runs are due" or "somebody has spoken to this run". */
type Word = { due: number } | { run: string };

const QUEUE = "work";
/** A burst is cut into so many jobs, that several workers share it, and no job stands for more runs than this. */
const SHARES = 8;
const RUNS_PER_JOB = 25;
/** Jobs of one process that may wait in Redis at once; what is said beyond that is not said. */
const JOBS_WAITING = 1_000;
/** Jobs of one batch, and runs whose waking waits for the next. */
const BATCH_JOBS = 100;
const WAKES_WAITING = 1_000;
const JOBS_AT_ONCE = 2;

/**
 * Words go two ways. As jobs of a BullMQ queue, each to one worker: whoever is free claims what is due. And, for a run that
 * is held, over a channel to all workers, as only its holder can look. A word for a run that this process can see to
 * does not leave it. No job is ever tried again, kept, or needed.
 */
export async function createRedisDispatch(options: RedisDispatchOptions): Promise<RedisDispatch> {
  const bullmq = await import("bullmq");
  return new RedisDispatch(options, bullmq);
}

type Bullmq = { Queue: typeof Queue; Worker: typeof Worker };

export class RedisDispatch implements Dispatch {
  readonly #options: RedisDispatchOptions;
  readonly #bullmq: Bullmq;
  readonly #queue: Queue;
  #listener: WorkListener | undefined;
  #due = 0;
  #wakes = new Set<string>();
  #isSending = false;
  #isClosed = false;
  #jobs = 0;

  constructor(options: RedisDispatchOptions, bullmq: Bullmq) {
    this.#options = options;
    this.#bullmq = bullmq;
    const { prefix, connections } = options;
    const jobs = { removeOnComplete: true, removeOnFail: true, attempts: 1 };
    const streams = { events: { maxLen: 100 } };
    this.#queue = new bullmq.Queue(QUEUE, { ...common(prefix), connection: connections.commands, defaultJobOptions: jobs, streams });
    this.#queue.on("error", connections.outage.failed);
  }

  due(runs: number): void {
    this.#due += runs;
    this.#arm();
  }

  wake(runId: string): void {
    background(this.#options.log, "waking a run", async () => {
      if (await this.#listener?.onWoken(runId)) return;
      if (this.#wakes.size < WAKES_WAITING) this.#wakes.add(runId);
      this.#arm();
    });
  }

  listen(listener: WorkListener): () => Promise<void> {
    const { connections, channels, log, prefix } = this.#options;
    this.#listener = listener;
    const client = connections.openPatient();
    const worker = new this.#bullmq.Worker(QUEUE, (job: Job) => hear(listener, job.data), {
      ...common(prefix),
      connection: client,
      concurrency: JOBS_AT_ONCE,
      maxStalledCount: 0,
      runRetryDelay: 500,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    // Among others: the job in hand was flushed. Whether Redis answers, its connections say.
    worker.on("error", (error) => log.debug("a job of the dispatch was lost", { error }));
    const leave = channels.subscribe(wakeChannel(prefix), {
      onMessage: (runId) => {
        if (listener.holds(runId)) background(log, "waking a run", () => listener.onWoken(runId));
      },
      onGap: () => {},
    });
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      this.#listener = undefined;
      leave();
      // A Redis that hangs would hold up the good-bye.
      if (!(await atMost(COMMAND_MS, worker.close()))) await atMost(COMMAND_MS, worker.disconnect());
    };
    return () => (stopping ??= stop());
  }

  /** What has been said and not yet sent is lost. */
  close(): void {
    this.#isClosed = true;
  }

  #arm(): void {
    if (this.#isSending || this.#isClosed) return;
    this.#isSending = true;
    setImmediate(() => background(this.#options.log, "dispatching work", () => this.#sendAll()));
  }

  /** One batch at a time; what is said meanwhile goes together in the next. */
  async #sendAll(): Promise<void> {
    while (!this.#isClosed && (this.#due > 0 || this.#wakes.size > 0)) await this.#send(this.#take());
    this.#isSending = false;
  }

  #take(): Word[] {
    const runs = [...this.#wakes].slice(0, BATCH_JOBS);
    for (const run of runs) this.#wakes.delete(run);
    const share = Math.min(Math.ceil(this.#due / SHARES), RUNS_PER_JOB);
    const perJob = Math.max(share, Math.ceil(this.#due / BATCH_JOBS));
    const words: Word[] = runs.map((run) => ({ run }));
    for (; this.#due > 0; this.#due -= Math.min(perJob, this.#due)) words.push({ due: Math.min(perJob, this.#due) });
    return words;
  }

  async #send(words: readonly Word[]): Promise<void> {
    const { channels, connections, prefix } = this.#options;
    for (const word of words) if ("run" in word) channels.publish(wakeChannel(prefix), word.run);
    // Without a connection BullMQ would wait for one.
    if (connections.commands.status !== "ready") return;
    try {
      const jobs = words.map((data) => ({ name: "run" in data ? "wake" : "due", data, opts: { jobId: this.#nextId() } }));
      if (!(await atMost(COMMAND_MS * 2, this.#queue.addBulk(jobs)))) throw new Error("Redis did not take the jobs in time.");
    } catch (error) {
      connections.outage.failed(error);
    }
  }

  /** Ids come round: while a job waits under one, the queue is full and takes no other under it. */
  #nextId(): string {
    this.#jobs = (this.#jobs + 1) % JOBS_WAITING;
    return `${this.#options.origin}-${this.#jobs}`;
  }
}

const common = (prefix: string) => ({ prefix, skipVersionCheck: true });
const wakeChannel = (prefix: string): string => `${prefix}:wake`;

/** A word of another version, or of nobody's, is not understood and not missed. */
async function hear(listener: WorkListener, data: unknown): Promise<void> {
  if (typeof data !== "object" || data === null) return;
  if ("run" in data && typeof data.run === "string") await listener.onWoken(data.run);
  if ("due" in data && typeof data.due === "number" && data.due > 0) await listener.onDue(data.due);
}
