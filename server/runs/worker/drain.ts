import { setTimeout as pause } from "node:timers/promises";
import { atMost } from "../../kernel/at-most.ts";
import type { LiveRun } from "../driver/live-run.ts";
import type { HeldRuns } from "./held-runs.ts";

const LOOK_MS = 20;

/** How long the last commits may take once no more calls are waited for. */
const SETTLE_MS = 2_000;

type Draining = {
  held: HeldRuns;
  drainMs: number;
  letGo: (runs: readonly LiveRun[]) => Promise<void>;
  /** Resolves when nothing is on its way to the journal. */
  committed: () => Promise<void>;
};

/**
 * Lets every held run go as soon as that loses nothing: at once when nothing of it is on its way, else when its open calls
 * have ended and what they brought is durable. Returns when none is left, or when the time is up. A database that is gone
 * is not waited for either: what could not be stored is done again elsewhere.
 */
export async function drain({ held, drainMs, letGo, committed }: Draining): Promise<void> {
  const until = performance.now() + drainMs;
  for (;;) {
    const resting = held.live().filter(isAtRest);
    if (resting.length > 0) await letGo(resting);
    if (held.count === 0 || performance.now() >= until) break;
    await pause(LOOK_MS);
  }
  await atMost(SETTLE_MS, committed());
}

function isAtRest(run: LiveRun): boolean {
  if (run.mode !== "driving" || run.appendsInFlight > 0) return false;
  return [...run.underWay.values()].every(({ phase }) => phase !== "open" && phase !== "starting");
}
