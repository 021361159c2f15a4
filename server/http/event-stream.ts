import { Readable } from "node:stream";
import { errorOf, problemOf } from "./problem.ts";
import type { SseEvent } from "#server/kernel/handle.ts";

type StreamOptions = {
  /** Ends the stream: the client went away, or the server closes. */
  signal: AbortSignal;
  heartbeatMs: number;
  recheckMs: number;
  /** False ends the stream: the caller may no longer read. */
  mayGoOn: () => Promise<boolean>;
  requestId: string;
  onFailure: (error: unknown) => void;
};

/**
 * The bytes of a server-sent event stream. Events are pulled only as fast as the client reads. The first comment makes
 * the headers leave at once; later ones keep proxies from closing a quiet stream.
 */
export function eventStream(events: AsyncIterable<SseEvent>, options: StreamOptions): Readable {
  return Readable.from(frames(events, options), { objectMode: false });
}

async function* frames(events: AsyncIterable<SseEvent>, options: StreamOptions): AsyncGenerator<string> {
  const iterator = events[Symbol.asyncIterator]();
  const clock = ticker(options);
  try {
    yield ": ready\n\n";
    let next = pull(iterator);
    while (!options.signal.aborted) {
      const happened = await Promise.race([next, clock.tick()]);
      const text = await react(happened, options);
      if (text === undefined) return;
      if (text !== "") yield text;
      if (typeof happened !== "string") next = pull(iterator);
    }
  } catch (thrown) {
    options.onFailure(thrown);
    yield frame({ event: "error", data: problemOf(errorOf(thrown), options.requestId) });
  } finally {
    clock.stop();
    // Not awaited: a generator that waits for its source only ends when it sees the signal.
    iterator.return?.().catch(options.onFailure);
  }
}

/** What to write for what has happened; undefined ends the stream. */
async function react(happened: Tick | IteratorResult<SseEvent>, options: StreamOptions): Promise<string | undefined> {
  if (happened === "ended") return undefined;
  if (happened === "heartbeat") return ": heartbeat\n\n";
  if (happened === "recheck") return (await options.mayGoOn()) ? "" : undefined;
  return happened.done ? undefined : frame(happened.value);
}

/** A source may fail after the reader has gone; nobody waits for that promise then. */
function pull(iterator: AsyncIterator<SseEvent>): Promise<IteratorResult<SseEvent>> {
  const next = iterator.next();
  next.catch(() => {});
  return next;
}

type Tick = "heartbeat" | "recheck" | "ended";

/** Hands out the next thing that the clock or the signal says; several that come while nobody waits are kept as one each. */
function ticker({ signal, heartbeatMs, recheckMs }: StreamOptions): { tick: () => Promise<Tick>; stop: () => void } {
  const due = new Set<Tick>();
  let wake: (() => void) | undefined;
  const ring = (tick: Tick): void => {
    due.add(tick);
    wake?.();
  };
  const onAbort = (): void => ring("ended");
  signal.addEventListener("abort", onAbort, { once: true });
  const timers = [setInterval(ring, heartbeatMs, "heartbeat"), setInterval(ring, recheckMs, "recheck")];
  let waiting: Promise<Tick> | undefined;
  const wait = async (): Promise<Tick> => {
    while (true) {
      const [tick] = due;
      if (tick !== undefined) {
        due.delete(tick);
        waiting = undefined;
        return tick;
      }
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return {
    // The same promise until it is settled, so that a race lost by the clock loses no tick.
    tick: () => (waiting ??= wait()),
    stop: () => {
      signal.removeEventListener("abort", onAbort);
      for (const timer of timers) clearInterval(timer);
    },
  };
}

function frame(event: SseEvent): string {
  const lines: string[] = [];
  if (event.id !== undefined) lines.push(`id: ${oneLine(event.id)}`);
  if (event.event !== undefined) lines.push(`event: ${oneLine(event.event)}`);
  const data = "raw" in event ? event.raw : JSON.stringify(event.data);
  for (const line of data.split(/\r\n|\r|\n/)) lines.push(`data: ${line}`);
  return `${lines.join("\n")}\n\n`;
}

const oneLine = (text: string): string => text.replaceAll(/[\r\n\0]/g, " ");
