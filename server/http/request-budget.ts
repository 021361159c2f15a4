import { AppError } from "#server/kernel/errors.ts";

const WINDOW_MS = 60_000;

/**
 * How many requests one address, or one caller, may make a minute: a generous bound that only a runaway client meets.
 * One counter for each and minute, forgotten all at once, so that it costs next to nothing where it never matters.
 */
export function requestBudget(perMinute: number, whom: "address" | "caller"): (who: string, nowMs: number) => void {
  let windowEnds = 0;
  const counts = new Map<string, number>();
  return (who, nowMs) => {
    if (nowMs >= windowEnds) {
      counts.clear();
      windowEnds = nowMs + WINDOW_MS;
    }
    const count = (counts.get(who) ?? 0) + 1;
    counts.set(who, count);
    if (count > perMinute) throw new AppError("rate_limited", `At most ${perMinute} requests a minute are served to one ${whom}.`);
  };
}
