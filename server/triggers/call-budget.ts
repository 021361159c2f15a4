import { AppError } from "#server/kernel/errors.ts";

const WINDOW_MS = 60_000;

/** How many proved calls one webhook takes a minute, in each process. */
export function callBudget(perMinute: number): (webhookId: string, nowMs: number) => void {
  let windowEnds = 0;
  const counts = new Map<string, number>();
  return (webhookId, nowMs) => {
    if (nowMs >= windowEnds) {
      counts.clear();
      windowEnds = nowMs + WINDOW_MS;
    }
    const count = (counts.get(webhookId) ?? 0) + 1;
    counts.set(webhookId, count);
    if (count > perMinute)
      throw new AppError("rate_limited", `This webhook takes at most ${perMinute} calls a minute.`, { retryable: true });
  };
}
