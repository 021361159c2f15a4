import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

const snapshot = (): number => {
  // Without a running timer nobody refreshes the value, and a first reader must not see an old one.
  if (timer === undefined) now = Date.now();
  return now;
};
const still = (): (() => void) => () => {};

/** The time, once a second while `ticking`; all readers share one timer. */
export const useNow = (ticking = true): number => useSyncExternalStore(ticking ? subscribe : still, snapshot);
