import { describe, expect, test } from "vitest";
import { Definition, type DefinitionInput } from "#contract/definition.ts";
import { error, MemoryRun, workflow, type Outside } from "#test/support/engine-driver.ts";
import { compile, forkEvents, type Forked } from "./index.ts";

type Node = DefinitionInput["nodes"][number];
const start: Node = { id: "start", type: "start" };
const end = (output: string): Node => ({ id: "end", type: "end", data: { output } });
const tool = (id: string, policy: Node["policy"] = {}, parentId?: string): Node => ({
  id,
  type: "mcp_tool",
  data: { server: "s", tool: id, arguments: {} },
  policy: { effect: "none", ...policy },
  ...(parentId ? { parentId } : {}),
});
const fails = { fails: error() };
const answers: Outside = ({ nodeId, scope }) => `${scope}/${nodeId}`;

async function run(definition: DefinitionInput, outside: Outside = answers): Promise<MemoryRun> {
  const memory = new MemoryRun(definition, outside);
  memory.begin({});
  await memory.advance();
  return memory;
}
const fork = (definition: DefinitionInput, { journal }: MemoryRun, from?: { scope: string; nodeId: string }): Forked =>
  forkEvents(compile(Definition.parse(definition)), journal, { from });

async function child(
  definition: DefinitionInput,
  parent: MemoryRun,
  from?: { scope: string; nodeId: string },
  outside = answers,
): Promise<MemoryRun> {
  const forked = fork(definition, parent, from);
  if (forked.kind !== "events") throw new Error(`Refused: ${forked.kind}`);
  const memory = new MemoryRun(definition, outside);
  const created = { workflowId: "w", version: 1, input: {}, initiator: "user:1" };
  memory.append({ kind: "run_created", scope: "", nodeId: null, attempt: 0, body: created });
  for (const event of forked.events) memory.append(event);
  memory.append({ kind: "run_claimed", scope: "", nodeId: null, attempt: 0, body: { owner: "me" } });
  await memory.advance();
  return memory;
}

describe("where a fork may begin", () => {
  const chain = workflow(
    [start, { id: "which", type: "condition", data: { when: false } }, tool("a"), tool("b"), end("=steps.b")],
    ["start>which", "which:true>a", "which:false>b", "a>end", "b>end"],
  );

  test.each([
    ["a node that does not exist", { scope: "", nodeId: "nowhere" }],
    ["a scope that does not exist", { scope: "/each[3]", nodeId: "b" }],
    ["a step that was passed by", { scope: "", nodeId: "a" }],
  ])("not at %s", async (_name, from) => {
    expect(fork(chain, await run(chain), from)).toEqual({ kind: "unknown" });
  });

  test("not at a step that has not begun", async () => {
    const parent = new MemoryRun(chain, answers);
    parent.begin({});
    expect(fork(chain, parent, { scope: "", nodeId: "b" })).toEqual({ kind: "unknown" });
  });

  test("at the start nothing is kept", async () => {
    expect(fork(chain, await run(chain), { scope: "", nodeId: "start" })).toEqual({ kind: "events", events: [] });
  });
});

describe("containers", () => {
  const mapped = workflow(
    [
      start,
      { id: "each", type: "map", data: { items: [1, 2, 3, 4], concurrency: 1 } },
      tool("work", {}, "each"),
      tool("check", {}, "each"),
      tool("last"),
      end("=steps.each"),
    ],
    ["start>each", "work>check", "each>last", "last>end"],
  );

  test("one item's step is executed again, the other items stay, what follows the map does not", async () => {
    const again = await child(mapped, await run(mapped), { scope: "/each[1]", nodeId: "check" });
    expect(again.state.status).toBe("succeeded");
    expect(again.calls).toEqual(["/each[1]/check", "/last"]);
  });

  test("items that have ended stay although one before them has not", async () => {
    const parent = await run(mapped, (call) => (call.scope === "/each[2]" ? fails : answers(call)));
    expect(parent.state.status).toBe("failed");
    const again = await child(mapped, parent);
    expect(again.calls).toEqual(["/each[2]/work", "/each[2]/check", "/each[3]/work", "/each[3]/check", "/last"]);
    expect(again.state.output).toEqual([0, 1, 2, 3].map((i) => `/each[${i}]/check`));
  });

  test("rounds after the one that is forked are gone, those before stay", async () => {
    const looped = workflow(
      [
        start,
        { id: "again", type: "loop", data: { while: "=index < 4" } },
        tool("a", {}, "again"),
        tool("b", {}, "again"),
        end("=steps.again"),
      ],
      ["start>again", "a>b", "again>end"],
    );
    const forked = await child(looped, await run(looped), { scope: "/again[2]", nodeId: "b" });
    expect(forked.calls).toEqual(["/again[2]/b", "/again[3]/a", "/again[3]/b"]);
    expect(forked.state.output).toEqual({ rounds: 4, last: "/again[3]/b" });
  });

  test("a loop that has gone on for too long begins anew", async () => {
    const endless = workflow(
      [start, tool("before"), { id: "again", type: "loop", data: { while: true, max: 2 } }, tool("a", {}, "again"), end("=steps.again")],
      ["start>before", "before>again", "again>end"],
    );
    const parent = await run(endless);
    expect(parent.state.error?.code).toBe("loop_exhausted");
    expect((await child(endless, parent)).calls).toEqual(["/again[0]/a", "/again[1]/a"]);
  });

  test("later turns of a team go with an earlier one", async () => {
    const members = ["one", "two", "three"].map((name) => ({ name, agent: "any" }));
    const teamed = workflow(
      [start, { id: "team", type: "team", data: { mode: "sequential", members, input: "task" } }, end("=steps.team")],
      ["start>team", "team>end"],
    );
    const parent = await run(teamed);
    const forked = await child(teamed, parent, { scope: "/team[1]", nodeId: "team.two" });
    expect(forked.calls).toEqual(["/team[1]/team.two", "/team[2]/team.three"]);
    expect(forked.state.output).toEqual(parent.state.output);
  });
});

describe("what the run has set off", () => {
  test("steps that were undone are executed again, the others not", async () => {
    const undoable = workflow(
      [start, tool("free"), tool("book", { compensate: "unbook" }), tool("pay"), tool("unbook"), end("=steps.pay")],
      ["start>free", "free>book", "book>pay", "pay>end"],
    );
    const parent = await run(undoable, (call) => (call.nodeId === "pay" ? fails : answers(call)));
    expect(parent.calls).toEqual(["/free", "/book", "/pay", "/unbook"]);
    const again = await child(undoable, parent);
    expect(again.calls).toEqual(["/book", "/pay"]);
    expect(again.state.status).toBe("succeeded");
  });

  test("signals that no step has taken are handed on, those that were taken are not", async () => {
    const waiting = workflow(
      [
        start,
        { id: "first", type: "wait", data: { signal: "go" } },
        tool("work"),
        { id: "second", type: "wait", data: { signal: "go" } },
        end("=[steps.first, steps.second]"),
      ],
      ["start>first", "first>work", "work>second", "second>end"],
    );
    const parent = new MemoryRun(waiting, () => fails);
    parent.begin({});
    for (const payload of [1, 2]) parent.say({ kind: "signal_received", body: { by: "user:1", inboxId: "i", name: "go", payload } });
    await parent.advance();
    expect(parent.state.status).toBe("failed");
    expect((await child(waiting, parent)).state.output).toEqual([1, 2]);
    const anew = await child(waiting, parent, { scope: "", nodeId: "first" });
    expect([anew.state.status, anew.state.steps.get("/first")?.output]).toEqual(["waiting", 2]);
  });

  test("the context has what the steps that stay have set, and what came from outside", async () => {
    const sets = (id: string, value: number): Node => ({ id, type: "context", data: { set: { [id]: value } } });
    const shared = workflow([start, sets("a", 1), tool("work"), sets("b", 2), end("=context.a")], ["start>a", "a>work", "work>b", "b>end"]);
    const parent = new MemoryRun(shared, answers);
    parent.begin({});
    parent.say({ kind: "context_patched", body: { by: "user:1", inboxId: "i", patch: { c: 3 } } });
    await parent.advance();
    const forked = fork(shared, parent, { scope: "", nodeId: "work" });
    expect(forked.kind === "events" && forked.events.map(({ kind, nodeId }) => nodeId ?? kind)).toEqual(["context_patched", "a"]);
    expect((await child(shared, parent, { scope: "", nodeId: "work" })).state.context.values).toEqual({ a: 1, b: 2, c: 3 });
  });

  test("a pause, a breakpoint and a cancel stay behind", async () => {
    const chain = workflow([start, tool("a"), tool("b"), end("=steps.b")], ["start>a", "a>b", "b>end"]);
    const parent = new MemoryRun(chain, answers);
    parent.begin({}, { editor: { breakpoints: ["b"] } });
    await parent.advance();
    expect(parent.state.status).toBe("paused");
    parent.say({ kind: "run_paused", body: { by: "user:1", inboxId: "i" } });
    parent.cancel();
    await parent.advance();
    const again = await child(chain, parent);
    expect([again.state.status, again.calls]).toEqual(["succeeded", ["/b"]]);
  });
});

describe("approvals", () => {
  const guarded = (between: Node[] = []): DefinitionInput =>
    workflow(
      [
        start,
        { id: "ask", type: "approval", data: { approvers: ["user:1"], arguments: {} } },
        ...between,
        tool("pay", { grant: "ask" }),
        end("=steps.pay"),
      ],
      [
        "start>ask",
        ...["ask", ...between.map(({ id }) => id), "pay"].flatMap((id, i, ids) => (i === 0 ? [] : [`${ids[i - 1]}>${id}`])),
        "pay>end",
      ],
    );
  async function approved(definition: DefinitionInput, outside: Outside): Promise<MemoryRun> {
    const memory = new MemoryRun(definition, outside);
    memory.begin({});
    await memory.advance();
    memory.say({ kind: "approval_decided", body: { by: "user:1", inboxId: "i", decision: "approve" } }, "ask");
    await memory.advance();
    // The driver notes the grant with the call; the memory run does not.
    memory.state.usedGrants.set("/ask", "/pay#1");
    return memory;
  }

  test("a grant does not reach into the fork: the approval is asked for again", async () => {
    const definition = guarded();
    const again = await child(definition, await approved(definition, () => fails));
    expect([again.state.status, again.state.steps.get("/ask")?.status, again.calls]).toEqual(["waiting", "waiting", []]);
  });

  test("and where that would repeat steps that have finished, the fork is refused", async () => {
    const definition = guarded([tool("prepare")]);
    const parent = await approved(definition, (call) => (call.nodeId === "pay" ? fails : answers(call)));
    expect(fork(definition, parent)).toEqual({ kind: "approval_needed", approval: { scope: "", nodeId: "ask" } });
    expect(fork(definition, parent, { scope: "", nodeId: "ask" }).kind).toBe("events");
  });

  test("an approval without a grant stays decided", async () => {
    const definition = workflow(
      [start, { id: "ask", type: "approval", data: { approvers: ["user:1"] } }, tool("pay"), end("=steps.pay")],
      ["start>ask", "ask>pay", "pay>end"],
    );
    const again = await child(definition, await approved(definition, () => fails));
    expect([again.state.status, again.calls]).toEqual(["succeeded", ["/pay"]]);
  });
});

test("a run that was moved to another version keeps its steps under their new names", async () => {
  const before = workflow([start, tool("a"), tool("b"), end("=steps.b")], ["start>a", "a>b", "b>end"]);
  const after = workflow([start, tool("first"), tool("b"), end("=steps.first")], ["start>first", "first>b", "b>end"]);
  const parent = new MemoryRun(
    before,
    (call) => (call.nodeId === "b" ? fails : answers(call)),
    () => 0,
    { 2: after },
  );
  parent.begin({});
  await parent.advance(3);
  parent.say({ kind: "version_moved", body: { by: "user:1", inboxId: "i", from: 1, to: 2, nodes: { a: "first" } } });
  await parent.advance();
  expect(parent.state).toMatchObject({ status: "failed", version: 2 });
  const plans = new Map([[2, compile(Definition.parse(after))]]);
  const forked = forkEvents(compile(Definition.parse(before)), parent.journal, { plans });
  expect(forked.kind === "events" && forked.events.map(({ kind, nodeId }) => nodeId ?? kind)).toEqual(["a", "a", "version_moved"]);
});
