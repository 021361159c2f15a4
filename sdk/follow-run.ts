import { createParser } from "eventsource-parser";
import { JournalEvent } from "#contract/journal.ts";
import { ApiError } from "./api-error.ts";

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
  let seen = after;
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal?.aborted) {
    try {
      for await (const event of eventsOf(await open(seen))) {
        if (event.seq <= seen) continue;
        seen = event.seq;
        pauseMs = FIRST_PAUSE_MS;
        yield event;
        if (FINAL.has(event.kind)) return;
      }
    } catch (error) {
      if (signal?.aborted) return;
      // The server's word is final, unless it says that it is only starting or stopping.
      if (error instanceof ApiError && error.status !== 503) throw error;
    }
    await pause(pauseMs, signal);
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }
}

async function* eventsOf(response: Response): AsyncGenerator<JournalEvent> {
  if (!response.body) return;
  const arrived: JournalEvent[] = [];
  const parser = createParser({ onEvent: ({ data }) => void arrived.push(JournalEvent.parse(JSON.parse(data))) });
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parser.feed(decoder.decode(part.value, { stream: true }));
      yield* arrived.splice(0);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
