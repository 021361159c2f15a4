import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../kernel/log.ts";
import type { Exit, Running } from "./start.ts";
import { clearBackends, stopPostmaster } from "./stop.ts";

/** `expected`: whether `stop` was the reason. */
export type Ended = Exit & { expected: boolean };

type Supervised = { pid(): number; stop(): Promise<void>; ended: Promise<Ended> };
type Means = {
  log: Log;
  /** Starts the server again on the same port, so that the pools find it. Rejects when it does not come up. */
  relaunch: () => Promise<Running>;
};

/** A server that dies this often within the window has a cause that starting again does not cure. */
const MAX_RESTARTS = 5;
const WINDOW_MS = 600_000;
const FIRST_PAUSE_MS = 100;

/**
 * Keeps a server alive: RUNNING → (exit) → RESTARTING → RUNNING, until `stop` is called or it has died too often, which is
 * ENDED. `stop` waits for a restart under way, so that nothing is started after it.
 */
export function supervise(first: Running, { log, relaunch }: Means): Supervised {
  let running = first;
  let stopping: Promise<void> | undefined;
  const halt = new AbortController();
  const deaths: number[] = [];

  const pauseBeforeRestart = async (): Promise<boolean> => {
    const now = performance.now();
    deaths.push(now);
    const recent = deaths.filter((at) => now - at < WINDOW_MS).length;
    if (recent > MAX_RESTARTS) return false;
    await sleep(FIRST_PAUSE_MS * 2 ** (recent - 1), undefined, { signal: halt.signal }).catch(() => {});
    return !halt.signal.aborted;
  };

  const restart = async (): Promise<Running | undefined> => {
    await clearBackends(running.place.cluster);
    if (!(await pauseBeforeRestart())) return undefined;
    try {
      return await relaunch();
    } catch (error) {
      log.error("PostgreSQL did not start again", { error });
      return undefined;
    }
  };

  const end = ({ pid, place, exited }: Running): Promise<void> => stopPostmaster({ pid, cluster: place.cluster, exited });

  const watch = async (): Promise<Ended> => {
    for (;;) {
      const exit = await running.exited;
      if (halt.signal.aborted) return { ...exit, expected: true };
      log.error("PostgreSQL ended by itself", exit);
      const next = await restart();
      if (!next) return { ...exit, expected: halt.signal.aborted };
      running = next;
      log.warn("PostgreSQL was started again", { pid: running.pid });
      if (halt.signal.aborted) await end(running);
    }
  };

  const ended = watch();
  const stop = async (): Promise<void> => {
    halt.abort();
    await end(running);
    await ended;
  };
  return { pid: () => running.pid, stop: () => (stopping ??= stop()), ended };
}
