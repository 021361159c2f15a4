import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import type { LiveEvent } from "#contract/system.ts";
import { ROUTES } from "#contract/routes.ts";
import { applyHints, batching, invalidateLater, refreshAll } from "./apply-hints.ts";
import { onePerBrowser } from "./one-per-browser.ts";
import { followServer, type LiveStatus, type StartLive } from "./stream.ts";

const HINT_BATCH_MS = 120;
const POLL_MS = 3_000;

const LiveContext = createContext<LiveStatus>("connecting");
export const useLiveStatus = (): LiveStatus => useContext(LiveContext);

const browserStream: StartLive = onePerBrowser((sink) => followServer(ROUTES.streamEvents.path, sink));

/** Keeps everything below up to date: by hints while the stream is up, by reading every three seconds while it is not. */
export const LiveProvider = ({ children, start = browserStream }: { children: ReactNode; start?: StartLive }) => {
  const client = useQueryClient();
  const [status, setStatus] = useState<LiveStatus>("connecting");
  useEffect(() => follow(client, start, setStatus), [client, start]);
  useEffect(() => {
    if (status === "live" || status === "connecting") return undefined;
    const timer = setInterval(() => refreshAll(client), POLL_MS);
    return () => clearInterval(timer);
  }, [client, status]);
  return <LiveContext value={status}>{children}</LiveContext>;
};

function follow(client: QueryClient, start: StartLive, setStatus: (status: LiveStatus) => void): () => void {
  const { later, stop: stopTimers } = invalidateLater(client);
  const hints = batching<LiveEvent>((batch) => applyHints(client, batch, later), HINT_BATCH_MS);
  const stop = start({
    onEvent: (event) => hints.add(event),
    onStatus: (status) => {
      // What happened before the stream was up was not announced, the first time included.
      if (status === "live") refreshAll(client);
      setStatus(status);
    },
  });
  return () => {
    stop();
    hints.stop();
    stopTimers();
  };
}
