import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import type { Run } from "#contract/runs.ts";
import { AppError } from "#server/kernel/errors.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import {
  createPlatform,
  createProcess,
  definition,
  endNode,
  isOver,
  journalOf,
  Outside,
  runWhen,
  saveWorkflow,
  startOf,
  tool,
  transform,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "./index.ts";

let db: TestDatabase;
let platform: Platform;
let outside: Outside;
let runs: Runs;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());
beforeEach(async () => {
  outside = new Outside();
  runs = createProcess(platform, outside);
  await runs.start();
});
afterEach(() => runs.stop());

async function finished(of: DefinitionInput, input: Json = {}): Promise<Run> {
  const { id } = await startOf(runs, db.tenantId, await saveWorkflow(platform, of))(input);
  return runWhen(runs, { id, tenantId: db.tenantId }, isOver);
}
const kindsOf = async (run: Run): Promise<string[]> => (await journalOf(runs, db.tenantId, run.id)).map(({ kind }) => kind);

describe("pure steps", () => {
  test("a chain computes its output and journals every step", async () => {
    const run = await finished(
      definition(
        [transform("double", "=input.n * 2"), transform("text", "n is {{steps.double}}"), endNode({ said: "=steps.text" })],
        ["start>double", "double>text", "text>end"],
      ),
      { n: 21 },
    );
    expect(run).toMatchObject({ status: "succeeded", output: { said: "n is 42" }, error: null, seq: 6 });
    expect(await kindsOf(run)).toEqual([
      "run_created",
      "run_claimed",
      "step_succeeded",
      "step_succeeded",
      "step_succeeded",
      "run_succeeded",
    ]);
  });

  test("an expression that needs all of JSONata is computed too", async () => {
    const run = await finished(
      definition([transform("sum", "=$sum(input.list[$ > 1])"), endNode("=steps.sum")], ["start>sum", "sum>end"]),
      {
        list: [1, 2, 3],
      },
    );
    expect(run.output).toBe(5);
  });

  test("a condition takes one branch and the join waits only for that", async () => {
    const branching = definition(
      [
        { id: "big", type: "condition", data: { when: "=input.n > 10" } },
        transform("yes", "big"),
        transform("no", "small"),
        transform("join", "=[steps.yes, steps.no]"),
        endNode("=steps.join"),
      ],
      ["start>big", "big:true>yes", "big:false>no", "yes>join", "no>join", "join>end"],
    );
    expect((await finished(branching, { n: 11 })).output).toEqual(["big"]);
    expect((await finished(branching, { n: 1 })).output).toEqual(["small"]);
  });

  test("a map repeats its body for every item and collects the results in order", async () => {
    const mapping = definition(
      [
        { id: "each", type: "map", data: { items: "=input.list", concurrency: 3 } },
        transform("square", "=item * item + index", { parentId: "each" }),
        endNode("=steps.each"),
      ],
      ["start>each", "each>end"],
    );
    const list = Array.from({ length: 25 }, (_, i) => i);
    expect((await finished(mapping, { list })).output).toEqual(list.map((i) => i * i + i));
    expect((await finished(mapping, { list: [] })).output).toEqual([]);
  });

  test("a failing expression fails the run and says where", async () => {
    const run = await finished(definition([transform("bad", "=$number(input.x)"), endNode()], ["start>bad", "bad>end"]), {
      x: "no number",
    });
    expect(run).toMatchObject({ status: "failed", error: { code: "expression_failed", nodeId: "bad" } });
  });
});

describe("outside steps", () => {
  const one = (policy: Parameters<typeof tool>[1]): DefinitionInput =>
    definition([tool("call", policy, { arguments: { path: "=input.path" } }), endNode("=steps.call")], ["start>call", "call>end"]);

  test("a call gets its resolved input, a key of its own, and its output goes on", async () => {
    outside.prepared = { binding: { toolHash: "abc" } };
    const run = await finished(one({}), { path: "/tmp" });
    const input = { server: "files", tool: "call", arguments: { path: "/tmp" } };
    expect(run.output).toEqual({ echoed: input });
    expect(outside.calls).toHaveLength(1);
    expect(outside.calls[0]).toMatchObject({ input, effect: "once", timeoutMs: 120_000, binding: { toolHash: "abc" } });
    expect(outside.calls[0]?.key).toMatch(/^[0-9a-f]{64}$/);
    expect(await kindsOf(run)).toEqual([
      "run_created",
      "run_claimed",
      "step_started",
      "step_bound",
      "step_succeeded",
      "step_succeeded",
      "run_succeeded",
    ]);
  });

  test("what was approved decides the effect, unless the author says otherwise", async () => {
    outside.prepared = { effect: "idempotent" };
    await finished(one({}), {});
    await finished(one({ effect: "ask" }), {});
    expect(outside.calls.map(({ effect }) => effect)).toEqual(["idempotent", "ask"]);
  });

  test("the start of a once step is durable before the call is made", async () => {
    outside.answer = async (call) => {
      const kinds = (await journalOf(runs, db.tenantId, call.step.runId)).map(({ kind }) => kind);
      return kinds.includes("step_started");
    };
    expect((await finished(one({}))).output).toBe(true);
  });

  test("a retryable failure is tried again with the same key; the run goes on", async () => {
    outside.answer = (call) =>
      call.step.attempt < 3 ? Promise.reject(new AppError("agent_offline", "gone", { retryable: true })) : Promise.resolve("ok");
    const run = await finished(one({ retry: { maxAttempts: 3, backoffMs: 1 } }));
    expect(run.output).toBe("ok");
    expect(new Set(outside.calls.map(({ key }) => key)).size).toBe(1);
    expect(outside.calls.map(({ step }) => step.attempt)).toEqual([1, 2, 3]);
  });

  test("a long wait before a retry parks the run, which then goes on", async () => {
    outside.answer = (call) =>
      call.step.attempt === 1 ? Promise.reject(new AppError("agent_offline", "gone", { retryable: true })) : Promise.resolve("ok");
    const { id } = await startOf(
      runs,
      db.tenantId,
      await saveWorkflow(platform, one({ retry: { maxAttempts: 2, backoffMs: 300, jitter: 0 } })),
    )({});
    await runWhen(runs, { id, tenantId: db.tenantId }, ({ status }) => status === "waiting");
    expect(runs.activeCount()).toBe(0);
    const run = await runWhen(runs, { id, tenantId: db.tenantId }, isOver);
    expect(run.output).toBe("ok");
    expect(await kindsOf(run)).toContain("run_claimed");
  });

  test("a final failure leaves by the error branch", async () => {
    outside.answer = () => Promise.reject(new AppError("tool_failed", "no such file", { cause: "ENOENT" }));
    const run = await finished(
      definition(
        [tool("call", { onError: "branch" }), transform("sorry", "=steps.call.error.code"), endNode("=steps.sorry")],
        ["start>call", "call:error>sorry", "sorry>end"],
      ),
    );
    expect(run).toMatchObject({ status: "succeeded", output: "tool_failed" });
    const failed = (await journalOf(runs, db.tenantId, run.id)).find(({ kind }) => kind === "step_failed");
    expect(failed?.body).toMatchObject({ error: { code: "tool_failed", message: "no such file", cause: "ENOENT" }, handle: "error" });
  });

  test("a call that does not answer in time is aborted and fails", async () => {
    let reason: unknown;
    outside.answer = (call) =>
      new Promise(() => {
        call.signal.addEventListener("abort", () => (reason = call.signal.reason));
      });
    const run = await finished(one({ timeoutMs: 30 }));
    expect(run).toMatchObject({ status: "failed", error: { code: "step_timeout", nodeId: "call", retryable: false } });
    expect(reason).toMatchObject({ code: "step_timeout" });
  });

  test("a bug in an adapter fails the step without telling its inside", async () => {
    outside.answer = () => Promise.reject(new Error("cannot read properties of undefined"));
    const run = await finished(one({}));
    expect(run).toMatchObject({ status: "failed", error: { code: "internal" } });
    expect(JSON.stringify(run.error)).not.toContain("undefined");
  });

  test("an output that is too large is a typed error", async () => {
    outside.answer = () => Promise.resolve("x".repeat(4 * 1024 * 1024));
    expect(await finished(one({}))).toMatchObject({ status: "failed", error: { code: "step_output_too_large" } });
  });

  test("secrets in what comes back are redacted before anything goes on with them", async () => {
    platform.redactor.track("sk-very-secret-1234");
    outside.answer = () => Promise.resolve({ text: "the key is sk-very-secret-1234" });
    const run = await finished(one({}));
    expect(run.output).toEqual({ text: "the key is [redacted]" });
    const journal = await journalOf(runs, db.tenantId, run.id);
    expect(JSON.stringify(journal)).not.toContain("sk-very-secret-1234");
  });

  test("branches run at the same time, and a failure aborts the other's open call", async () => {
    outside.answer = (call) =>
      call.step.nodeId === "slow"
        ? new Promise(() => {})
        : new Promise((_resolve, reject) => setTimeout(() => reject(new AppError("tool_failed", "broken")), 20));
    const run = await finished(
      definition(
        [tool("slow"), tool("bad"), transform("join", 1), endNode()],
        ["start>slow", "start>bad", "slow>join", "bad>join", "join>end"],
      ),
    );
    expect(run).toMatchObject({ status: "failed", error: { code: "tool_failed", nodeId: "bad" } });
    const cancelled = (await journalOf(runs, db.tenantId, run.id)).find(({ kind }) => kind === "step_cancelled");
    expect(cancelled).toMatchObject({ nodeId: "slow", body: { outcome: "outcome_unknown" } });
    expect(outside.callsOf("slow")[0]?.signal.aborted).toBe(true);
  });

  test("a map of calls keeps to its concurrency", async () => {
    let open = 0;
    let most = 0;
    outside.answer = async ({ input }) => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setTimeout(resolve, 2));
      open -= 1;
      return input;
    };
    const run = await finished(
      definition(
        [
          { id: "each", type: "map", data: { items: "=input.list", concurrency: 4 } },
          tool("call", { effect: "none" }, { parentId: "each", arguments: { item: "=item" } }),
          endNode("=$count(steps.each)"),
        ],
        ["start>each", "each>end"],
      ),
      { list: Array.from({ length: 30 }, (_, i) => i) },
    );
    expect(run.output).toBe(30);
    expect(most).toBe(4);
  });
});

test("folding the stored journal gives what the live run had", async () => {
  const run = await finished(
    definition(
      [transform("list", "=[1..3]"), tool("call", {}, { arguments: { list: "=steps.list" } }), endNode("=steps.call.echoed.arguments")],
      ["start>list", "list>call", "call>end"],
    ),
  );
  expect(run.output).toEqual({ list: [1, 2, 3] });
  const { body } = (await journalOf(runs, db.tenantId, run.id)).at(-1) ?? {};
  expect(body).toEqual({ output: run.output });
});

test("strings with NUL and lone surrogates travel through a run", async () => {
  const strange = "a\u0000b\ud800c";
  const run = await finished(definition([transform("same", "=input.text"), endNode("=steps.same")], ["start>same", "same>end"]), {
    text: strange,
  });
  expect(run).toMatchObject({ status: "succeeded", output: strange, input: { text: strange } });
});

test("a confidential workflow's values are not readable in the database", async () => {
  const run = await finished(
    definition([transform("say", "=input.word"), endNode("=steps.say")], ["start>say", "say>end"], { classification: "confidential" }),
    { word: "xylophone" },
  );
  expect(run.output).toBe("xylophone");
  const { rows } = await db.ownerPool.query<{ bytes: Buffer }>(
    "select body as bytes from run_journal where run_id = $1 union all select input from runs where id = $1 union all select output from runs where id = $1",
    [run.id],
  );
  expect(rows.some(({ bytes }) => bytes.includes("xylophone"))).toBe(false);
});
