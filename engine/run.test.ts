import { describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import type { Json } from "#contract/common.ts";
import { MemoryRun, error, workflow, type Outside } from "#test/support/engine-driver.ts";
import { blocked, failed, isBlocked } from "./index.ts";

const start = { id: "start", type: "start" } as const;
const end = (output?: Json) => ({ id: "end", type: "end", data: output === undefined ? {} : { output } }) as const;
const transform = (id: string, output: Json, parentId?: string) =>
  ({ id, type: "transform", data: { output }, ...(parentId ? { parentId } : {}) }) as const;
const tool = (id: string, more: object = {}) =>
  ({ id, type: "mcp_tool", data: { server: "s", tool: id, arguments: {} }, ...more }) as const;

async function run(definition: ConstructorParameters<typeof MemoryRun>[0], input: Json = {}, outside?: Outside): Promise<MemoryRun> {
  const memory = new MemoryRun(definition, outside);
  memory.begin(input);
  await memory.advance();
  return memory;
}
const statusOf = (memory: MemoryRun, id: string, scope = "") => memory.state.steps.get(`${scope}/${id}`)?.status;

describe("a chain", () => {
  test("hands values on and gives the end's output", async () => {
    const { state } = await run(
      workflow([start, transform("a", "=input.n + 1"), transform("b", "=steps.a * 2"), end("=steps.b")], ["start>a", "a>b", "b>end"]),
      { n: 20 },
    );
    expect(state).toMatchObject({ status: "succeeded", output: 42 });
  });

  test("journals the start of an outside call before its answer", async () => {
    const { journal } = await run(workflow([start, tool("call"), end()], ["start>call", "call>end"]), {}, () => "done");
    expect(journal.map(({ kind }) => kind)).toEqual([
      "run_created",
      "run_claimed",
      "step_started",
      "step_succeeded",
      "step_succeeded",
      "run_succeeded",
    ]);
  });
});

describe("branches", () => {
  const branching = workflow(
    [
      start,
      { id: "big", type: "condition", data: { when: "=input.n > 10" } },
      transform("yes", "big"),
      transform("no", "small"),
      transform("after", "=[steps.yes, steps.no]"),
      end("=steps.after"),
    ],
    ["start>big", "big:true>yes", "big:false>no", "yes>after", "no>after", "after>end"],
  );

  test("the branch not taken is skipped, and what follows both waits only for the live one", async () => {
    const memory = await run(branching, { n: 11 });
    expect(statusOf(memory, "no")).toBe("skipped");
    expect(memory.state.output).toEqual(["big"]);
  });

  test("a node behind nothing but dead edges is skipped, and so on to the end", async () => {
    const memory = await run(
      workflow(
        [
          start,
          { id: "c", type: "condition", data: { when: false } },
          transform("x", 1),
          transform("y", 2),
          transform("z", 3),
          end("=steps.z"),
        ],
        ["start>c", "c:true>x", "x>y", "c:false>z", "y>end", "z>end"],
      ),
    );
    expect([statusOf(memory, "x"), statusOf(memory, "y"), memory.state.output]).toEqual(["skipped", "skipped", 3]);
  });

  test("a run whose every end is skipped succeeds with nothing", async () => {
    const { state } = await run(workflow([start, { id: "c", type: "condition", data: { when: "" } }, end(1)], ["start>c", "c:true>end"]));
    expect(state).toMatchObject({ status: "succeeded", output: null });
  });
});

describe("failures", () => {
  const calling = (policy: object) =>
    workflow(
      [start, tool("call", { policy }), transform("mend", "=steps.call.error.code"), end("=steps.mend")],
      ["start>call", "call:error>mend", "mend>end"],
    );

  test("without a way on, the run fails with the step's error", async () => {
    const { state } = await run(workflow([start, tool("call"), end()], ["start>call", "call>end"]), {}, () => ({ fails: error() }));
    expect(state).toMatchObject({ status: "failed", error: { code: "tool_failed", nodeId: "call", scope: "" } });
  });

  test("an error branch goes on with the error as output", async () => {
    const { state } = await run(calling({ onError: "branch" }), {}, () => ({ fails: error() }));
    expect(state).toMatchObject({ status: "succeeded", output: "tool_failed" });
  });

  test("`continue` goes on as if nothing had happened", async () => {
    const { state } = await run(
      workflow([start, tool("call", { policy: { onError: "continue" } }), end("=steps.call.error.message")], ["start>call", "call>end"]),
      {},
      () => ({ fails: error() }),
    );
    expect(state.output).toBe("it broke");
  });

  test("a retryable failure is tried again, under the same key, until the attempts are used up", async () => {
    const attempts: number[] = [];
    const policy = { retry: { maxAttempts: 3, backoffMs: 1_000, factor: 2, jitter: 0 } };
    const memory = await run(workflow([start, tool("call", { policy }), end()], ["start>call", "call>end"]), {}, ({ attempt }) => {
      attempts.push(attempt);
      return { fails: error({ retryable: true }) };
    });
    expect(attempts).toEqual([1, 2, 3]);
    expect(memory.journal.filter(({ kind }) => kind === "step_started").map((event) => event.body)).toEqual(
      Array(3).fill(expect.objectContaining({ key: "/call#1" })),
    );
    const delays = memory.journal.flatMap((event) =>
      event.kind === "step_failed" && event.body.retryAt !== undefined ? [event.body.retryAt - Date.parse(event.at)] : [],
    );
    expect(delays).toEqual([1_000, 2_000]);
  });

  test("a retry waits as long as the other side asks, if that is longer", () => {
    const memory = new MemoryRun(calling({ retry: { maxAttempts: 2, jitter: 0 } }));
    memory.begin({});
    const command = { kind: "invoke", type: "mcp_tool", scope: "", nodeId: "call", attempt: 1, generation: 1 } as const;
    const retryAt = (retryAfterMs?: number) => {
      const { body } = failed(memory.state, command, { error: error({ retryable: true }), now: 0, random: 0, retryAfterMs });
      return "retryAt" in body ? body.retryAt : undefined;
    };
    expect(retryAt(5_000)).toBe(5_000);
    expect(retryAt(1)).toBe(retryAt());
  });

  test("`retry.on` names the codes that are tried again, retryable or not", async () => {
    const policy = { retry: { maxAttempts: 2, on: ["tool_failed"] } };
    let calls = 0;
    const { state } = await run(workflow([start, tool("call", { policy }), end("=steps.call")], ["start>call", "call>end"]), {}, () => {
      calls += 1;
      return calls === 1 ? { fails: error() } : "second";
    });
    expect(state.output).toBe("second");
  });

  test("other open calls are ended before the run fails", async () => {
    const memory = new MemoryRun(
      workflow([start, tool("bad"), tool("slow"), end()], ["start>bad", "start>slow", "bad>end", "slow>end"]),
      ({ nodeId }) => (nodeId === "bad" ? { fails: error() } : "late"),
    );
    memory.begin({});
    await memory.advance();
    expect(memory.journal.map(({ kind }) => kind).slice(-3)).toEqual(["step_failed", "step_cancelled", "run_failed"]);
    expect(memory.calls).toEqual(["/bad"]);
  });

  test("an expression that fails says where", async () => {
    const { state } = await run(workflow([start, transform("a", "=input.x + 1"), end()], ["start>a", "a>end"]), { x: "text" });
    expect(state.error).toMatchObject({ code: "expression_failed", nodeId: "a", issues: [{ nodeId: "a" }] });
  });
});

describe("map", () => {
  const mapping = (more: object = {}, inner = [tool("work", { parentId: "each" })], edges: string[] = []) =>
    workflow(
      [start, { id: "each", type: "map", data: { items: "=input.items", ...more } }, ...inner, end("=steps.each")],
      ["start>each", "each>end", ...edges],
    );

  test("gives the items' results in their order, whatever order they end in", async () => {
    const memory = new MemoryRun(
      mapping({}, [tool("work", { parentId: "each", data: { server: "s", tool: "t", arguments: { v: "=item", i: "=index" } } })]),
      ({ input }) => input,
      (count) => count - 1,
    );
    memory.begin({ items: ["a", "b", "c"] });
    await memory.advance();
    expect(memory.state.output).toMatchObject(["a", "b", "c"].map((v, i) => ({ arguments: { v, i } })));
  });

  test("has at most `concurrency` items under way", async () => {
    let most = 0;
    const memory: MemoryRun = new MemoryRun(mapping({ concurrency: 2 }), () => {
      most = Math.max(most, [...memory.state.steps.values()].filter((step) => step.nodeId === "work" && step.status === "running").length);
      return 1;
    });
    memory.begin({ items: [1, 2, 3, 4, 5] });
    expect((await memory.advance()).output).toEqual([1, 1, 1, 1, 1]);
    expect(most).toBe(2);
  });

  test.each([
    ["nothing", undefined, []],
    ["one value", 7, [7]],
    ["an empty list", [], []],
  ])("%s as items", async (_name, items, expected) => {
    const inner = [transform("same", "=item", "each")];
    const memory = new MemoryRun(mapping({}, inner as never));
    memory.begin(items === undefined ? {} : { items });
    expect((await memory.advance()).output).toEqual(expected);
  });

  test("one failed item fails the map, and the others are stopped", async () => {
    const memory = new MemoryRun(
      mapping({ concurrency: 3 }),
      ({ scope }) => (scope === "/each[1]" ? { fails: error() } : "ok"),
      () => 1,
    );
    memory.begin({ items: [1, 2, 3, 4] });
    await memory.advance();
    expect(memory.state).toMatchObject({ status: "failed", error: { nodeId: "each", message: "Item 2: it broke" } });
    expect(memory.calls).toEqual(["/each[1]/work"]);
    expect(memory.state.steps.has("/each[3]/work")).toBe(false);
  });

  test("with `continue`, a failed item is an error in its place", async () => {
    const memory = await run(mapping({ onItemError: "continue" }), { items: [1, 2] }, ({ scope }) =>
      scope === "/each[0]" ? { fails: error() } : "ok",
    );
    expect(memory.state.output).toEqual([{ error: { code: "tool_failed", message: "it broke" } }, "ok"]);
  });

  test("items see outer steps, and several last steps give an object", async () => {
    const inner = [
      transform("a", "=item * steps.factor", "each"),
      transform("b", "=steps.a + index", "each"),
      transform("c", "=steps.a", "each"),
    ];
    const definition = workflow(
      [start, transform("factor", 10), { id: "each", type: "map", data: { items: "=input.items" } }, ...inner, end("=steps.each")],
      ["start>factor", "factor>each", "each>end", "a>b", "a>c"],
    );
    expect((await run(definition, { items: [1, 2] })).state.output).toEqual([
      { b: 10, c: 10 },
      { b: 21, c: 20 },
    ]);
  });

  test("maps nest, and a failure inside ends all of it", async () => {
    const nested = workflow(
      [
        start,
        { id: "outer", type: "map", data: { items: "=input.rows" } },
        { id: "inner", type: "map", parentId: "outer", data: { items: "=item" } },
        tool("cell", { parentId: "inner", data: { server: "s", tool: "t", arguments: { v: "=item" } } }),
        end("=steps.outer"),
      ],
      ["start>outer", "outer>end"],
    );
    const good = await run(nested, { rows: [[1, 2], [3]] }, ({ scope }) => scope);
    expect(good.state.output).toEqual([["/outer[0]/inner[0]", "/outer[0]/inner[1]"], ["/outer[1]/inner[0]"]]);
    const bad = await run(nested, { rows: [[1, 2], [3]] }, ({ scope }) => (scope === "/outer[1]/inner[0]" ? { fails: error() } : scope));
    expect(bad.state).toMatchObject({ status: "failed", error: { nodeId: "outer" } });
  });

  test("results that grow too large end the map at once, and the items under way with it", async () => {
    const large = "x".repeat(LIMITS.expressionResultBytes - 1_000);
    const big = mapping({}, [transform("same", "=input.large", "each")] as never);
    const { state } = await run(big, {
      items: Array.from({ length: LIMITS.mapResultBytes / LIMITS.expressionResultBytes + 1 }, () => 1),
      large,
    });
    expect(state.error).toMatchObject({ code: "step_output_too_large", nodeId: "each" });
  });

  test("too many items is a typed error", async () => {
    const { state } = await run(mapping({}, [transform("same", "=item", "each")] as never), {
      items: Array.from({ length: 100_001 }, (_, i) => i),
    });
    expect(state.error).toMatchObject({ code: "map_too_large", nodeId: "each" });
  });
});

describe("cancel", () => {
  test("begins nothing new, ends open calls, then the run", async () => {
    const memory = new MemoryRun(
      workflow([start, tool("call"), transform("after", 1), end()], ["start>call", "call>after", "after>end"]),
      () => "late",
    );
    memory.begin({});
    await memory.advance(1);
    memory.cancel();
    await memory.advance();
    expect(memory.journal.map(({ kind }) => kind).slice(2)).toEqual([
      "step_started",
      "cancel_requested",
      "step_cancelled",
      "run_cancelled",
    ]);
    expect([memory.state.status, statusOf(memory, "call"), memory.calls]).toEqual(["cancelled", "cancelled", []]);
  });
});

describe("a call whose tool has changed", () => {
  const changed = { code: "tool_changed", message: "It is not what was approved.", remedy: "Review it.", retryable: false } as const;
  const once = workflow([start, tool("call"), end("=steps.call")], ["start>call", "call>end"]);
  async function waiting(): Promise<MemoryRun> {
    const memory = new MemoryRun(once, () => "answer");
    memory.begin({});
    const draft = blocked(memory.state, { scope: "", nodeId: "call", attempt: 1, generation: 1 }, changed);
    if (draft) memory.append(draft);
    return memory;
  }

  test("waits, and says for what", async () => {
    const memory = await waiting();
    await memory.advance();
    expect([memory.state.status, statusOf(memory, "call"), memory.calls]).toEqual(["waiting", "parked", []]);
    const step = memory.state.steps.get("/call");
    expect(step && isBlocked(step)).toBe(true);
    expect(memory.journal.at(-1)?.body).toMatchObject({
      question: '"call" waits: It is not what was approved. Review it.',
      error: changed,
    });
  });

  test("is made when it is settled, and has forgotten why it waited", async () => {
    const memory = await waiting();
    memory.say({ kind: "step_answered", body: { answer: "did_not_happen", by: "system:runs", inboxId: "i" } }, "call");
    expect((await memory.advance()).output).toBe("answer");
    expect(memory.state.steps.get("/call")).not.toHaveProperty("error");
  });

  test("is given up with its run, and is not in doubt then", async () => {
    const memory = await waiting();
    memory.say({ kind: "cancel_requested", body: { by: "user:1", inboxId: "i" } });
    await memory.advance();
    expect([memory.state.status, statusOf(memory, "call"), memory.calls]).toEqual(["cancelled", "cancelled", []]);
  });

  test("is the only kind of failure that waits", () => {
    const memory = new MemoryRun(once, () => "answer");
    const address = { scope: "", nodeId: "call", attempt: 1, generation: 1 };
    expect(blocked(memory.state, address, { ...changed, code: "mcp_tool_not_approved" })).toBeUndefined();
  });
});

describe("recovery", () => {
  const once = workflow([start, tool("call"), end("=steps.call")], ["start>call", "call>end"]);
  async function interrupted(definition = once): Promise<MemoryRun> {
    const memory = new MemoryRun(definition, () => "answer");
    memory.begin({});
    await memory.advance(1);
    memory.continueFrom([...memory.journal]);
    return memory;
  }
  const answer = (memory: MemoryRun, given: "happened" | "did_not_happen" | "run_again", output?: Json): void =>
    memory.append({
      kind: "step_answered",
      scope: "",
      nodeId: "call",
      attempt: 1,
      body: { answer: given, by: "user:1", inboxId: "i", ...(output === undefined ? {} : { output }) },
    });

  test("a call that must not be repeated asks a person", async () => {
    const memory = await interrupted();
    await memory.advance();
    expect([memory.state.status, statusOf(memory, "call"), memory.calls]).toEqual(["waiting", "parked", []]);
  });

  test("`happened` takes the given output", async () => {
    const memory = await interrupted();
    answer(memory, "happened", "known");
    expect((await memory.advance()).output).toBe("known");
    expect(memory.calls).toEqual([]);
  });

  test("`did_not_happen` calls under the same key, `run_again` under a new one", async () => {
    for (const [given, key] of [
      ["did_not_happen", "/call#1"],
      ["run_again", "/call#2"],
    ] as const) {
      const memory = await interrupted();
      answer(memory, given);
      expect((await memory.advance()).output).toBe("answer");
      expect(memory.journal.findLast(({ kind }) => kind === "step_started")?.body).toMatchObject({ key });
    }
  });

  test("a call without effect simply runs again, with the journaled input", async () => {
    const definition = workflow([start, tool("call", { policy: { effect: "none" } }), end("=steps.call")], ["start>call", "call>end"]);
    const memory = await interrupted(definition);
    expect((await memory.advance()).output).toBe("answer");
    expect(memory.journal.filter(({ kind }) => kind === "step_started")).toHaveLength(1);
  });

  test("a call with a handle is found again instead of asked about", async () => {
    const memory = new MemoryRun(once, () => "answer");
    memory.begin({});
    await memory.advance(1);
    memory.append({ kind: "step_handle", scope: "", nodeId: "call", attempt: 1, body: { handle: { kind: "a2a_task", id: "t1" } } });
    memory.continueFrom([...memory.journal]);
    await memory.advance();
    expect(memory.state).toMatchObject({ status: "succeeded", output: "answer" });
  });
});
