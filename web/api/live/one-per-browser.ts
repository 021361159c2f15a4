import { z } from "zod";
import { LiveEvent } from "#contract/system.ts";
import type { LiveStatus, StartLive } from "./stream.ts";

const NAME = "auterity.live";
const STATUSES = ["connecting", "live", "reconnecting", "offline"] as const satisfies readonly LiveStatus[];
const Word = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("event"), event: LiveEvent }),
  z.object({ kind: z.literal("status"), status: z.enum(STATUSES) }),
  z.object({ kind: z.literal("ask") }),
]);
type Word = z.infer<typeof Word>;

/**
 * All tabs of a browser share one stream: the tab that holds the lock follows the server and repeats what it hears to the
 * others. When it closes, the browser gives the lock to the next tab, which connects anew. A browser without locks or
 * channels (they need a secure context) opens a stream per tab.
 */
export const onePerBrowser =
  (start: StartLive): StartLive =>
  (sink) => {
    const locks: LockManager | null = "locks" in navigator ? navigator.locks : null;
    if (!locks || typeof BroadcastChannel === "undefined") return start(sink);
    const channel = new BroadcastChannel(NAME);
    const over = new AbortController();
    let leading = false;
    let status: LiveStatus = "connecting";

    const say = (word: Word): void => channel.postMessage(word);
    const setStatus = (next: LiveStatus): void => {
      status = next;
      sink.onStatus(next);
    };
    channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      const word = Word.safeParse(data).data;
      if (word?.kind === "ask" && leading) say({ kind: "status", status });
      if (leading || word === undefined) return;
      if (word.kind === "event") sink.onEvent(word.event);
      if (word.kind === "status" && word.status !== status) setStatus(word.status);
    });
    const lead = (): Promise<void> =>
      new Promise((resolve) => {
        leading = true;
        const stop = start({
          onEvent: (event) => {
            sink.onEvent(event);
            say({ kind: "event", event });
          },
          onStatus: (next) => {
            setStatus(next);
            say({ kind: "status", status: next });
          },
        });
        over.signal.addEventListener("abort", () => {
          stop();
          resolve();
        });
      });
    // Aborting a request that still waits for the lock rejects it, which is how it is meant to end.
    locks.request(NAME, { signal: over.signal }, lead).catch(() => {});
    say({ kind: "ask" });

    return () => {
      over.abort();
      channel.close();
    };
  };
