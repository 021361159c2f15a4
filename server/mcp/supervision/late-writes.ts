import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import { isOurs } from "../connection/failures.ts";

type Write = { run: () => Promise<unknown>; tried: (isStored: boolean) => void };
type Line = { next: Write | undefined; wake: AbortController; isLate: boolean };

/**
 * Writes of what has already happened. While the database is gone they are made again and again, so that it does not remember the
 * wrong thing for ever afterwards. Of those under one key only the newest is made, and one after the other.
 */
export type LateWrites = {
  /** Resolves when it, or a newer one of its key, has been tried: with whether it is stored. `run` is made once more after each failure. */
  write(key: string, run: () => Promise<unknown>): Promise<boolean>;
  /** Gives up what could not be written. Resolves when nothing is under way any more. */
  stop(): Promise<void>;
};

export function createLateWrites({ log, everyMs }: { log: Log; everyMs: number }): LateWrites {
  const lines = new Map<string, Line>();
  const working = new Set<Promise<void>>();
  let isStopped = false;

  /** Whether the database was there; what it refuses will be refused again. */
  const attempt = async (key: string, line: Line, { run, tried }: Write): Promise<boolean> => {
    try {
      await run();
      tried(true);
      return true;
    } catch (error) {
      const isGone = error instanceof AppError && isOurs(error);
      if (!line.isLate) log.error(isGone ? "not stored yet; it is tried again" : "not stored", { what: key, error });
      line.isLate = isGone;
      tried(false);
      return !isGone;
    }
  };
  const work = async (key: string, line: Line): Promise<void> => {
    for (let write = line.next; write !== undefined && !isStopped; write = line.next) {
      line.next = undefined;
      if (await attempt(key, line, write)) continue;
      line.next ??= { run: write.run, tried: () => {} };
      await sleep(everyMs, undefined, { signal: line.wake.signal, ref: false }).catch(() => {});
      line.wake = new AbortController();
    }
    lines.delete(key);
    line.next?.tried(false);
  };
  const begin = (key: string): Line => {
    const line: Line = { next: undefined, wake: new AbortController(), isLate: false };
    lines.set(key, line);
    return line;
  };
  return {
    write(key, run) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const known = lines.get(key);
      const line = known ?? begin(key);
      const before = line.next;
      const tried = (isStored: boolean): void => {
        before?.tried(isStored);
        resolve(isStored);
      };
      line.next = { run, tried };
      if (known) line.wake.abort();
      else {
        const worked = work(key, line).finally(() => working.delete(worked));
        working.add(worked);
      }
      return promise;
    },
    async stop() {
      isStopped = true;
      for (const { wake } of lines.values()) wake.abort();
      await Promise.all(working);
    },
  };
}
