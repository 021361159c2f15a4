import { AppError } from "#server/kernel/errors.ts";

const WINDOW_MS = 60_000;

/**
 * How many requests one address may make a minute, over all routes: a generous bound that only a runaway client meets.
 * One counter per address and minute, forgotten all at once, so that it costs next to nothing where it never matters.
 */
export function requestBudget(perMinute: number): (address: string, nowMs: number) => void {
  let windowEnds = 0;
  const counts = new Map<string, number>();
  return (address, nowMs) => {
    if (nowMs >= windowEnds) {
      counts.clear();
      windowEnds = nowMs + WINDOW_MS;
    }
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    if (count > perMinute) throw new AppError("rate_limited", `At most ${perMinute} requests a minute are served to one address.`);
  };
}
