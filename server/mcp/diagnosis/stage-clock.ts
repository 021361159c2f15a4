import type { TestStage, TestStageName } from "#contract/mcp/tests.ts";

/** Takes down what became of each stage, and how long it took. */
export type StageClock = {
  /** Begins a stage. */
  enter(stage: TestStageName): void;
  ok(detail: string): void;
  fail(detail: string): void;
  skip(stage: TestStageName, detail: string): void;
  /** The stage that is going on, or that has failed. */
  readonly current: TestStageName;
  readonly rows: readonly TestStage[];
  /** Since the clock was made. */
  ms(): number;
};

export function createStageClock(first: TestStageName, now: () => number = performance.now.bind(performance)): StageClock {
  const begin = now();
  let current = first;
  let since = begin;
  const rows: TestStage[] = [];
  const end = (status: TestStage["status"], detail: string): void => {
    rows.push({ stage: current, status, ms: Math.round(now() - since), detail });
  };
  return {
    enter(stage) {
      current = stage;
      since = now();
    },
    ok: (detail) => end("ok", detail),
    fail: (detail) => end("failed", detail),
    skip: (stage, detail) => void rows.push({ stage, status: "skipped", ms: 0, detail }),
    get current() {
      return current;
    },
    rows,
    ms: () => Math.round(now() - begin),
  };
}
