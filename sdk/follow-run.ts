import { JournalEvent } from "#contract/journal.ts";
import { ApiError } from "./api-error.ts";
import { pause, serverEvents } from "./server-events.ts";

type Options = {
  /** Opens the stream of events after the one with this number. */
  open: (after: number) => Promise<Response>;
  after?: number;
  signal?: AbortSignal;
};

const FINAL: ReadonlySet<string> = new Set(["run_succeeded", "run_failed", "run_cancelled"]);
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

/** A run's events in order, each once, over as many connections as it takes. Ends with the run's last event or when aborted. */
export async function* followRun({ open, after = 0, signal }: Options): AsyncGenerator<JournalEvent> {
  let last: Pick<JournalEvent, "seq" | "kind"> = { seq: after, kind: "run_created" };
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal?.aborted && !FINAL.has(last.kind)) {
    try {
      for await (const event of eventsOf(await open(last.seq), last.seq)) {
        last = event;
        pauseMs = FIRST_PAUSE_MS;
        yield event;
      }
    } catch (error) {
      if (isFinalWord(error, signal)) throw error;
    }
    if (FINAL.has(last.kind)) return;
    await pause(pauseMs, signal);
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }
}

/** A connection that breaks is opened again; what the server refuses stays refused, unless it is only starting or stopping. */
const isFinalWord = (error: unknown, signal: AbortSignal | undefined): boolean =>
  !signal?.aborted && error instanceof ApiError && error.status !== 503;

async function* eventsOf(response: Response, after: number): AsyncGenerator<JournalEvent> {
  for await (const { data } of serverEvents(response)) {
    const event = JournalEvent.parse(JSON.parse(data));
    if (event.seq > after) yield event;
  }
}
