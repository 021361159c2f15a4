import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { LiveEvent } from "#contract/system.ts";
import type { Work } from "./driver/live-run.ts";
import { createProgressHints } from "./progress-hints.ts";

const SECRET = "sk-progress-0123456789";
let published: LiveEvent[] = [];
let hints = createHints();

function createHints() {
  const live = { publish: (_tenant: string, event: LiveEvent) => void published.push(LiveEvent.parse(event)), subscribe: () => () => {} };
  return createProgressHints({ live, redactor: { text: (value) => value.replaceAll(SECRET, "[redacted]"), json: (value) => value } });
}

beforeEach(() => {
  vi.useFakeTimers();
  published = [];
  hints = createHints();
});
afterEach(() => vi.useRealTimers());

const stepOf = (nodeId: string, change: { isConfidential?: boolean; mode?: "driving" | "gone" } = {}) => {
  const work: Work = { phase: "open", isDropped: false, look: 0, controller: null };
  const run = { id: "run", tenantId: "t", isConfidential: false, mode: "driving" as const, ...change };
  return { run, work, scope: "", nodeId };
};
const told = (): number[] => published.flatMap((event) => (event.type === "step_progress" ? [event.progress] : []));

test("a step is told of twice a second at most, and its last progress always, before its end", () => {
  const step = stepOf("a");
  for (let progress = 1; progress <= 100; progress += 1) {
    hints.told(step, { progress, total: 105 });
    vi.advanceTimersByTime(50);
  }
  expect(told()).toHaveLength(10);
  for (let progress = 101; progress <= 105; progress += 1) hints.told(step, { progress, total: 105 });
  hints.ended(step.work);
  expect(published.at(-1)).toEqual({ type: "step_progress", runId: "run", scope: "", nodeId: "a", progress: 105, total: 105 });
  const known = published.length;
  hints.ended(step.work);
  vi.advanceTimersByTime(10_000);
  expect(published).toHaveLength(known);
});

test("of many steps at once, so many are told of together as may be, and the others next", () => {
  const many = LIMITS.stepProgressAtOnce + 5;
  for (let at = 0; at < many; at += 1) hints.told(stepOf(`n${at}`), { progress: at });
  vi.advanceTimersByTime(LIMITS.stepProgressMs);
  expect(published).toHaveLength(LIMITS.stepProgressAtOnce);
  vi.advanceTimersByTime(LIMITS.stepProgressMs);
  expect(told()).toEqual(Array.from({ length: many }, (_, at) => at));
  expect(vi.getTimerCount()).toBe(0);
});

test("messages are redacted before they are cut, and left out where the run is confidential", () => {
  const cutThrough = `${"x".repeat(LIMITS.liveMessageChars - 5)}${SECRET}`;
  hints.told(stepOf("a"), { progress: 1, message: cutThrough });
  hints.told(stepOf("b", { isConfidential: true }), { progress: 1, message: "reading the file of Ms Smith" });
  vi.advanceTimersByTime(LIMITS.stepProgressMs);
  expect(published).toMatchObject([{ nodeId: "a", message: `${"x".repeat(LIMITS.liveMessageChars - 5)}[reda` }, { nodeId: "b" }]);
  expect(published[1]).not.toHaveProperty("message");
});

test("nothing is told of a step that is not wanted any more, nor of a run that another process has", () => {
  const dropped = stepOf("a");
  hints.told(dropped, { progress: 1 });
  dropped.work.isDropped = true;
  const lost = stepOf("b", { mode: "gone" });
  hints.told(lost, { progress: 1 });
  hints.ended(lost.work);
  vi.advanceTimersByTime(LIMITS.stepProgressMs);
  expect(published).toEqual([]);
});

test("no timer is left when the worker stops", () => {
  hints.told(stepOf("a"), { progress: 1 });
  hints.stop();
  expect(vi.getTimerCount()).toBe(0);
});
