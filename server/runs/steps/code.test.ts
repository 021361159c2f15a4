import { afterEach, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "../../kernel/errors.ts";
import type { StepCall } from "../../kernel/step-executor.ts";
import { CodePool } from "./code-pool.ts";
import { codeExecutor } from "./code.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function executor() {
  const { executor: code, stop } = codeExecutor();
  stops.push(stop);
  const call = (input: Json, more: Partial<StepCall> = {}): StepCall => ({
    tenantId: "t",
    environment: "production",
    initiator: "user:1",
    depth: 0,
    step: { runId: "r", scope: "", nodeId: "code", attempt: 1 },
    input,
    key: "k",
    effect: "none",
    timeoutMs: 5_000 + LIMITS.codeGraceMs,
    signal: new AbortController().signal,
    saveHandle: async () => {},
    ...more,
  });
  return { code, call, run: (source: string, input: Json = null, more?: Partial<StepCall>) => code.run(call({ source, input }, more)) };
}
function pool(): CodePool {
  const made = new CodePool();
  stops.push(() => made.stop());
  return made;
}
const never = new AbortController().signal;

/** No interrupt reaches the interpreter in here. */
const STUBBORN = "return new Array(2 ** 32 - 1).join('x').length";

describe("a code step", () => {
  test("gives what its code returns, and has no effect", async () => {
    const { code, call, run } = executor();
    expect(await code.prepare(call({ source: "return 1" }))).toEqual({ effect: "none" });
    expect(await run("return { twice: input.n * 2 }", { n: 21 })).toEqual({ twice: 42 });
    expect(await run("return JSON.parse('{\"__proto__\": 1}')")).toEqual(JSON.parse('{"__proto__": 1}'));
  });

  test("fails with a code and the line", async () => {
    const { run } = executor();
    await expect(run("\nnope()")).rejects.toMatchObject({
      code: "code_failed",
      retryable: false,
      message: expect.stringMatching(/line 2/),
    });
    await expect(run("for (;;) {}", null, { timeoutMs: 100 + LIMITS.codeGraceMs })).rejects.toMatchObject({ code: "code_timeout" });
    await expect(run("const a = []; for (;;) a.push(new Uint8Array(1e6))")).rejects.toMatchObject({ code: "code_memory" });
    await expect(run(`return "x".repeat(${LIMITS.stepOutputBytes})`)).rejects.toMatchObject({ code: "step_output_too_large" });
    await expect(run(`let a = 1; for (let i = 0; i < ${LIMITS.jsonDepth + 1}; i++) a = [a]; return a`)).rejects.toMatchObject({
      code: "code_failed",
    });
  });

  test("takes an input of so many bytes", async () => {
    const { code, call, run } = executor();
    const text = (over: number) => "x".repeat(LIMITS.codeInputBytes - 2 + over);
    expect(await run("return input.length", text(0))).toBe(LIMITS.codeInputBytes - 2);
    await expect(code.prepare(call({ source: "return 1", input: text(1) }))).rejects.toMatchObject({ code: "input_invalid" });
  });

  test("never holds up this process, not even by what cannot be interrupted", async () => {
    const { run } = executor();
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 10);
    const failure = await run(STUBBORN, null, { timeoutMs: 300 + LIMITS.codeGraceMs }).catch((error: unknown) => error);
    clearInterval(timer);
    expect(failure).toMatchObject({ code: "code_timeout", message: expect.stringMatching(/had to be ended/) });
    expect(ticks).toBeGreaterThan(10);
    expect(await run("return 1")).toBe(1);
  });

  test("ends when its step is cancelled", async () => {
    const { run } = executor();
    const controller = new AbortController();
    const running = run("for (;;) {}", null, { signal: controller.signal }).catch((error: unknown) => error);
    setTimeout(() => controller.abort(new AppError("step_cancelled", "not wanted")), 100);
    expect(await running).toMatchObject({ code: "step_cancelled" });
  });

  test("sees nothing of the process that it runs in", async () => {
    process.env["CODE_CANARY"] = "seen";
    const { run } = executor();
    expect(
      await run("return [typeof process, typeof globalThis.process, (function () {}).constructor('return typeof process')()]"),
    ).toEqual(["undefined", "undefined", "undefined"]);
    delete process.env["CODE_CANARY"];
  });
});

describe("the threads of code", () => {
  const call = { source: "return input", input: "1", timeoutMs: 5_000 };

  test("are few, kept for the next, and replaced when they had to be ended", async () => {
    const threads = pool();
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => threads.run({ ...call, input: String(i) }, never)));
    expect(all).toEqual(Array.from({ length: 20 }, (_, i) => ({ output: String(i) })));
    expect(threads.size).toBe(LIMITS.codeWorkers);
    await threads.run({ ...call, source: STUBBORN, timeoutMs: 100 }, never);
    expect(threads.size).toBe(LIMITS.codeWorkers - 1);
    expect(await threads.run(call, never)).toEqual({ output: "1" });
  });

  test("have a queue with an end", async () => {
    const threads = pool();
    const controller = new AbortController();
    const endless = { ...call, source: "for (;;) {}", timeoutMs: 60_000 };
    const all = Array.from({ length: LIMITS.codeWorkers + LIMITS.codeQueue }, () =>
      threads.run(endless, controller.signal).catch((error: unknown) => error),
    );
    await expect(threads.run(call, never)).rejects.toMatchObject({ code: "unavailable", retryable: true });
    controller.abort(new AppError("step_cancelled", "not wanted"));
    for (const ended of await Promise.all(all)) expect(ended).toMatchObject({ code: "step_cancelled" });
    expect(await threads.run(call, never)).toEqual({ output: "1" });
  });

  test("end with the pool, and what waits is told", async () => {
    const threads = pool();
    const running = threads.run({ ...call, source: "for (;;) {}" }, never).catch((error: unknown) => error);
    await threads.stop();
    expect(await running).toMatchObject({ code: expect.stringMatching(/unavailable|internal/) });
    await expect(threads.run(call, never)).rejects.toMatchObject({ code: "unavailable" });
    expect(threads.size).toBe(0);
  });
});
