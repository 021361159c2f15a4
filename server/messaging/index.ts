import { exportMessages, getFrame, listMessages } from "#contract/messages.ts";
import { Counter, Gauge, type Registry } from "prom-client";
import { AppError } from "#server/kernel/errors.ts";
import { LineStream, handle, type Handled } from "#server/kernel/handle.ts";
import { background, type Log } from "#server/kernel/log.ts";
import type { Database, FrameReader, FrameSink, Redactor, ValueCodec } from "#server/kernel/ports.ts";
import { frameReader } from "./frame-reader.ts";
import { BatchingSink, type FrameCounts } from "./frame-sink.ts";
import { frameStore } from "./frame-store.ts";

const DAY_MS = 86_400_000;
const RETENTION_DAYS = 30;

export type MessagingDeps = {
  database: Database;
  redactor: Redactor;
  codec: ValueCodec;
  log: Log;
  newId: () => string;
  now: () => Date;
  /** Where the counters of frames are registered, if anywhere. */
  registry?: Registry;
  /** How long one look among the frames may take; `LIMITS.frameSearchMs` by default. */
  searchMs?: number;
  /** How long frames are kept; whole days, UTC. */
  retentionDays?: number;
};

export type Messaging = {
  routes: Handled[];
  frames: FrameSink;
  reader: FrameReader;
  counts(): FrameCounts;
  /** Waits until every frame recorded so far is stored, unless the database refuses. */
  flush(): Promise<void>;
  /** Drops the days that ended more than `days` days ago; answers how many partitions that were. */
  retainFrames(days: number): Promise<number>;
  /** Frames are taken from the beginning; `start` makes the days ahead and lets old ones go, now and daily. */
  start(): Promise<void>;
  /** Writes what waits, once; the database must still be open. */
  stop(): Promise<void>;
};

export function createMessaging(deps: MessagingDeps): Messaging {
  const { log, now, registry, retentionDays = RETENTION_DAYS } = deps;
  const store = frameStore(deps);
  const sink = new BatchingSink({ ...deps, store });
  const reader = frameReader(deps);
  if (registry) registerCounts(registry, sink);

  const tend = async (): Promise<void> => {
    await store.makeDays(now());
    const dropped = await store.dropDays(now(), retentionDays);
    if (dropped > 0) log.info("old protocol frames dropped", { days: dropped });
  };
  let daily: NodeJS.Timeout | undefined;
  let stopping: Promise<void> | undefined;

  return {
    routes: frameRoutes(reader),
    frames: sink,
    reader,
    counts: () => sink.counts(),
    flush: () => sink.flush(),
    retainFrames: (days) => store.dropDays(now(), days),
    start: async () => {
      await tend();
      if (stopping || daily) return;
      daily = setInterval(() => background(log, "tending protocol frames", tend), DAY_MS);
      daily.unref();
    },
    stop: () => {
      clearInterval(daily);
      return (stopping ??= sink.stop());
    },
  };
}

const frameRoutes = (reader: FrameReader): Handled[] => [
  handle(listMessages, ({ caller, query }) => reader.list(caller.tenantId, query)),
  handle(exportMessages, ({ caller, query }) => new LineStream(reader.all(caller.tenantId, query))),
  handle(getFrame, async ({ caller, params }) => {
    const exchange = await reader.exchange(caller.tenantId, params.id);
    if (exchange === undefined) throw new AppError("not_found", `There is no frame ${params.id}.`);
    return exchange;
  }),
];

function registerCounts(registry: Registry, sink: BatchingSink): void {
  const options = (name: string, help: string) => ({ name: `auterity_frames_${name}`, help, registers: [] });
  const follow = (key: "written" | "dropped") =>
    function collect(this: Counter): void {
      this.reset();
      this.inc(sink.counts()[key]);
    };
  const written = new Counter({ ...options("written_total", "Protocol frames stored."), collect: follow("written") });
  const dropped = new Counter({ ...options("dropped_total", "Protocol frames lost before they were stored."), collect: follow("dropped") });
  const waiting = new Gauge({
    ...options("waiting", "Protocol frames that wait to be stored."),
    collect() {
      this.set(sink.counts().waiting);
    },
  });
  for (const metric of [written, dropped, waiting]) registry.registerMetric(metric);
}
