import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { withDeadline } from "./deadline.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

test("time that is held does not count, however many hold it", async () => {
  const ended = new AbortController();
  const onTimeout = vi.fn<() => void>(() => ended.abort(new Error("late")));
  let hold: (() => () => void) | undefined;
  const work = withDeadline(
    (holdTimeout) => {
      hold = holdTimeout;
      return new Promise<never>(() => {});
    },
    { ms: 100, onTimeout, signal: ended.signal },
  );
  work.catch(() => {});
  await vi.advanceTimersByTimeAsync(60);
  const first = hold?.();
  const second = hold?.();
  await vi.advanceTimersByTimeAsync(10_000);
  first?.();
  first?.();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(onTimeout).not.toHaveBeenCalled();
  second?.();
  await vi.advanceTimersByTimeAsync(39);
  expect(onTimeout).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(onTimeout).toHaveBeenCalledOnce();
  await expect(work).rejects.toThrow("late");
});

test("a hold that is let go after the end starts nothing", async () => {
  const onTimeout = vi.fn<() => void>();
  let release = (): void => {};
  await withDeadline(async (hold) => void (release = hold()), { ms: 10, onTimeout, signal: new AbortController().signal });
  release();
  expect(vi.getTimerCount()).toBe(0);
});
