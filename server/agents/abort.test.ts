import { describe, expect, test } from "vitest";
import { AppError } from "#server/kernel/errors.ts";
import { abortError, endsWork, pause } from "./abort.ts";

describe("an aborted call", () => {
  test("fails with the abort's own reason, as a timeout, or as cancelled", () => {
    const lost = new AppError("run_lost", "elsewhere");
    expect(abortError(AbortSignal.abort(lost), "x")).toBe(lost);
    const late = AbortSignal.abort(new DOMException("late", "TimeoutError"));
    expect(abortError(late, "x")).toMatchObject({ code: "agent_timeout", retryable: true });
    expect(abortError(AbortSignal.abort(), "x")).toMatchObject({ code: "step_cancelled", retryable: false });
  });

  test("ends the agent's work, unless another worker goes on with it", () => {
    expect((["step_cancelled", "step_timeout", "agent_timeout"] as const).every((code) => endsWork(new AppError(code, "")))).toBe(true);
    expect(endsWork(new AppError("run_lost", ""))).toBe(false);
    expect(endsWork(new AppError("unavailable", ""))).toBe(false);
  });
});

test("a pause ends at once when it is aborted, before or meanwhile", async () => {
  await pause(60_000, AbortSignal.abort());
  const controller = new AbortController();
  const paused = pause(60_000, controller.signal);
  controller.abort();
  await paused;
  await pause(1, new AbortController().signal);
});
