import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { FromAgent } from "#contract/agent-socket.ts";
import { LIMITS } from "#contract/limits.ts";
import { RememberedKeys } from "./remembered-keys.ts";
import { SkillRunner } from "./skill-runner.ts";
import { RetryableError, jsonSchema, skill, type AgentSkill } from "./skills.ts";

const invoke = (more: object = {}) =>
  ({ type: "invoke", id: "1", skill: "work", input: null, key: "k", runId: null, stepId: null, deadlineMs: 60_000, ...more }) as const;

function runnerOf(work: AgentSkill): { runner: SkillRunner; sent: FromAgent[]; next: () => Promise<void> } {
  const sent: FromAgent[] = [];
  let wake = (): void => {};
  const send = (frame: FromAgent): void => {
    sent.push(frame);
    wake();
  };
  const next = (): Promise<void> => new Promise((resolve) => void (wake = resolve));
  return { runner: new SkillRunner({ skills: new Map([["work", work]]), send }), sent, next };
}

describe("a skill", () => {
  test("announces its schemas and effect", () => {
    const made = skill({
      description: "Adds",
      effect: "none",
      input: z.object({ a: z.number() }),
      output: z.object({ b: z.number() }),
      run: ({ a }) => ({ b: a }),
    });
    expect(made.announced).toMatchObject({
      description: "Adds",
      effect: "none",
      inputSchema: { type: "object", required: ["a"] },
      outputSchema: { required: ["b"] },
    });
    expect(skill({ input: jsonSchema({ type: "string" }), run: () => null }).announced).toEqual({
      description: "",
      effect: "once",
      inputSchema: { type: "string" },
    });
  });

  test("checks what comes in and what goes out", async () => {
    const context = { signal: new AbortController().signal, key: "k", runId: null, stepId: null, progress: () => {} };
    const made = skill({ input: z.object({ a: z.number() }), output: z.number().max(5), run: ({ a }) => a });
    expect(await made.invoke({ a: 1 }, context)).toBe(1);
    await expect(made.invoke({ a: "x" }, context)).rejects.toThrow(/input does not fit its schema: a/);
    await expect(made.invoke({ a: 9 }, context)).rejects.toThrow(/output does not fit its schema/);
    expect(await skill({ input: z.json(), run: () => undefined }).invoke(1, context)).toBeNull();
  });
});

describe("running skills", () => {
  test("a finished key is answered from memory, whatever the invocation", async () => {
    let runs = 0;
    const { runner, sent, next } = runnerOf(skill({ input: z.json(), run: () => ++runs }));
    runner.invoke(invoke());
    await next();
    runner.invoke(invoke({ id: "2" }));
    expect(sent).toEqual([
      { type: "result", id: "1", output: 1 },
      { type: "result", id: "2", output: 1 },
    ]);
  });

  test("a running key is joined, and all who asked are answered", async () => {
    const gate = Promise.withResolvers<void>();
    let runs = 0;
    const work = skill({
      input: z.json(),
      run: async (_input, { progress }) => {
        runs += 1;
        await gate.promise;
        progress("nearly");
        return "done";
      },
    });
    const { runner, sent, next } = runnerOf(work);
    runner.invoke(invoke());
    runner.invoke(invoke({ id: "2" }));
    gate.resolve();
    await next();
    await next();
    expect(runs).toBe(1);
    expect(sent.filter(({ type }) => type === "progress")).toHaveLength(2);
    expect(sent.filter(({ type }) => type === "result").map((frame) => "id" in frame && frame.id)).toEqual(["1", "2"]);
  });

  test("a failed attempt runs again when it is a new one, and repeats itself when it is the same", async () => {
    let runs = 0;
    const work = skill({
      input: z.json(),
      run: () => {
        runs += 1;
        throw new RetryableError(`failure ${runs}`);
      },
    });
    const { runner, sent, next } = runnerOf(work);
    runner.invoke(invoke());
    await next();
    runner.invoke(invoke());
    runner.invoke(invoke({ id: "2" }));
    await next();
    expect(sent).toEqual([
      { type: "failure", id: "1", message: "failure 1", retryable: true },
      { type: "failure", id: "1", message: "failure 1", retryable: true },
      { type: "failure", id: "2", message: "failure 2", retryable: true },
    ]);
  });

  test("cancelling, a passed deadline and stopping reach the work", async () => {
    const aborted = skill({
      input: z.json(),
      run: (_input, { signal }) => new Promise<string>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    });
    const { runner, sent, next } = runnerOf(aborted);
    runner.invoke(invoke({ id: "1", key: "a" }));
    runner.cancel("1", "not needed");
    await next();
    runner.invoke(invoke({ id: "2", key: "b", deadlineMs: 1 }));
    await next();
    runner.invoke(invoke({ id: "3", key: "c" }));
    runner.cancelAll("stopping");
    await next();
    expect(sent).toMatchObject([{ message: "not needed" }, { message: "The platform's deadline has passed." }, { message: "stopping" }]);
  });

  test("an unknown skill and a result too large to send are failures", async () => {
    const { runner, sent, next } = runnerOf(skill({ input: z.json(), run: () => "x".repeat(LIMITS.socketMessageBytes) }));
    runner.invoke(invoke({ skill: "fly" }));
    await next();
    runner.invoke(invoke({ id: "2", key: "other" }));
    await next();
    expect(sent).toMatchObject([
      { type: "failure", message: "There is no skill fly; there are work." },
      { type: "failure", message: expect.stringContaining("The result has") },
    ]);
  });
});

describe("remembered keys", () => {
  test("the oldest are forgotten first, by size", () => {
    const keys = new RememberedKeys();
    const output = "x".repeat(1_000_000);
    for (let i = 0; i < 40; i++) keys.remember({ key: `k${i}`, id: `${i}` }, { type: "result", output });
    expect(keys.recall({ key: "k0", id: "" })).toBeUndefined();
    expect(keys.recall({ key: "k39", id: "" })).toEqual({ type: "result", output });
  });
});
