import { LiveEvent } from "#contract/system.ts";

/** `connecting` only before the first answer; `offline` when several attempts in a row got none. */
export type LiveStatus = "connecting" | "live" | "reconnecting" | "offline";
export type LiveSink = { onEvent: (event: LiveEvent) => void; onStatus: (status: LiveStatus) => void };
/** Begins to deliver to the sink; the function returned ends it. */
export type StartLive = (sink: LiveSink) => () => void;

const OFFLINE_AFTER_ATTEMPTS = 3;
const RETRY_MS = [1_000, 2_000, 4_000] as const;
const LONGEST_RETRY_MS = 8_000;

/** The server sends hints unnamed; names are accepted too, so that it may begin to use them. */
const EVENT_NAMES = ["message", "run", "mcp_server", "agent", "workflow", "resync"] as const;

/**
 * Follows the server's hints. Hints that were missed while the stream was down are lost: whoever sees `live` again must
 * read anew what it shows. Reconnecting is done here rather than by EventSource, which gives up on some answers.
 */
export function followServer(url: string, { onEvent, onStatus }: LiveSink): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  const receive = (message: MessageEvent<unknown>): void => {
    const event = parseHint(message.data);
    if (event) onEvent(event);
  };
  const connect = (): void => {
    clearTimeout(retry);
    source?.close();
    source = new EventSource(url);
    source.addEventListener("open", () => {
      failures = 0;
      onStatus("live");
    });
    source.addEventListener("error", () => {
      source?.close();
      failures += 1;
      onStatus(failures >= OFFLINE_AFTER_ATTEMPTS ? "offline" : "reconnecting");
      clearTimeout(retry);
      retry = setTimeout(connect, RETRY_MS[failures - 1] ?? LONGEST_RETRY_MS);
    });
    for (const name of EVENT_NAMES) source.addEventListener(name, receive);
  };
  connect();
  window.addEventListener("online", connect);

  return () => {
    window.removeEventListener("online", connect);
    clearTimeout(retry);
    source?.close();
  };
}

/** Undefined for anything that is not a hint this page knows: a newer server may send more. */
export function parseHint(data: unknown): LiveEvent | undefined {
  if (typeof data !== "string") return undefined;
  try {
    return LiveEvent.safeParse(JSON.parse(data)).data;
  } catch {
    return undefined;
  }
}
