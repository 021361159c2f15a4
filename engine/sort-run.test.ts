import { describe, expect, test } from "vitest";
import type { DefinitionInput } from "#contract/definition.ts";
import type { Sorted } from "#contract/versions.ts";
import { error, MemoryRun, workflow, type Outside } from "#test/support/engine-driver.ts";
import { compile, fold, sortRun } from "./index.ts";

type Nodes = DefinitionInput["nodes"];
const start: Nodes[number] = { id: "start", type: "start" };
const end = (output: string): Nodes[number] => ({ id: "end", type: "end", data: { output } });
const tool = (id: string, more: Partial<Nodes[number]> = {}): Nodes[number] =>
  Object.assign({ id, type: "mcp_tool" as const, data: { server: "s", tool: "t" }, policy: { effect: "none" as const } }, more);
const wait = (id: string, signal = "go", more: { parentId?: string } = {}): Nodes[number] => ({
  id,
  type: "wait",
  data: { signal },
  ...more,
});
const echo: Outside = ({ nodeId }) => nodeId;

/** A run of the first definition that has gone as far as it can by itself. */
async function parked(from: DefinitionInput, to: DefinitionInput, outside: Outside = echo): Promise<MemoryRun> {
  const run = new MemoryRun(from, outside, () => 0, { 2: to });
  run.begin({});
  await run.advance();
  return run;
}

const sortFor = ({ state }: MemoryRun, nodes: Record<string, string> = {}): Sorted => {
  const to = state.plans.get(2);
  if (!to) throw new Error("the test has no version 2");
  return sortRun(state, to, nodes);
};
const codes = ({ verdict, reasons }: Sorted): string[] => [verdict, ...reasons.map(({ code }) => code)];

async function goOn(run: MemoryRun, nodes: Record<string, string> = {}): Promise<MemoryRun> {
  expect(sortFor(run, nodes)).toEqual({ verdict: "compatible", reasons: [], unmapped: [] });
  run.say({ kind: "version_moved", body: { by: "user:1", inboxId: "i", from: 1, to: 2, nodes } });
  run.say({ kind: "signal_received", body: { by: "user:1", inboxId: "j", name: "go", payload: "gone" } });
  await run.advance();
  const from = fold(compile(run.definition), run.journal, { runId: "run-1", plans: run.state.plans });
  expect(from).toEqual(run.state);
  return run;
}

const v1 = workflow(
  [start, tool("a"), wait("hold"), tool("b"), end("=[steps.a, steps.hold, steps.b]")],
  ["start>a", "a>hold", "hold>b", "b>end"],
);

describe("a run that waits", () => {
  test("goes on with a version that changes only what comes later", async () => {
    const v2 = workflow(
      [start, tool("a"), wait("hold"), tool("c"), tool("d"), end("=[steps.a, steps.c, steps.d]")],
      ["start>a", "a>hold", "hold>c", "hold>d", "c>end", "d>end"],
    );
    const run = await goOn(await parked(v1, v2));
    expect(run.state).toMatchObject({ status: "succeeded", version: 2, output: ["a", "c", "d"] });
    expect(run.calls).toEqual(["/a", "/c", "/d"]);
  });

  test("begins at once what its new graph reaches from what has ended", async () => {
    const v2 = workflow(
      [start, tool("a"), wait("hold"), tool("beside"), end("=steps")],
      ["start>a", "a>hold", "a>beside", "hold>end", "beside>end"],
    );
    const run = await parked(v1, { ...v2, nodes: [...v2.nodes.slice(0, -1), end("=steps.beside")] });
    run.say({ kind: "version_moved", body: { by: "user:1", inboxId: "i", from: 1, to: 2, nodes: {} } });
    await run.advance();
    expect([run.state.status, run.calls]).toEqual(["waiting", ["/a", "/beside"]]);
  });

  test("needs a mapping when what has begun is called differently, and is told what it could be", async () => {
    const v2 = workflow(
      [start, tool("other"), tool("renamed", { label: "A" }), wait("pause"), end("=[steps.renamed, steps.pause]")],
      ["start>renamed", "renamed>pause", "pause>other", "other>end"],
    );
    const run = await parked({ ...v1, nodes: v1.nodes.map((node) => (node.id === "a" ? { ...node, label: "A" } : node)) }, v2);
    const sorted = sortFor(run);
    expect(codes(sorted)).toEqual(["needs_mapping", "mapping_missing", "mapping_missing"]);
    expect(sorted.unmapped).toEqual([
      { nodeId: "a", candidates: ["renamed", "other"] },
      { nodeId: "hold", candidates: ["pause"] },
    ]);
    expect(codes(sortFor(run, { a: "renamed" }))).toEqual(["needs_mapping", "mapping_missing"]);
    expect(codes(sortFor(run, { a: "pause", hold: "pause" }))).toEqual(["needs_mapping", "mapping_wrong"]);
    expect(codes(sortFor(run, { a: "other", hold: "pause" }))).toEqual(["must_finish", "comes_too_late", "comes_too_late"]);
    await goOn(run, { a: "renamed", hold: "pause" });
    expect(run.state.output).toEqual(["a", "gone"]);
  });

  test("must finish when what has begun is gone, is something else, or two steps would be one", async () => {
    const gone = workflow([start, wait("hold"), end("=1")], ["start>hold", "hold>end"]);
    expect(codes(sortFor(await parked(v1, gone)))).toEqual(["must_finish", "node_missing"]);
    const other = workflow(
      [start, { id: "a", type: "transform", data: { output: 1 } }, wait("hold"), end("=1")],
      ["start>a", "a>hold", "hold>end"],
    );
    expect(codes(sortFor(await parked(v1, other)))).toEqual(["must_finish", "node_missing"]);
    const two = workflow([start, tool("a"), tool("b"), wait("hold"), end("=1")], ["start>a", "a>b", "b>hold", "hold>end"]);
    const one = workflow([start, tool("a"), wait("hold"), end("=1")], ["start>a", "a>hold", "hold>end"]);
    const sorted = sortFor(await parked(two, one), { b: "a" });
    expect(codes(sorted)).toEqual(["needs_mapping", "mapping_ambiguous"]);
  });

  test("must finish when a new step would come too late, or the way has changed", async () => {
    const before = workflow([start, tool("a"), tool("new"), wait("hold"), end("=1")], ["start>a", "a>new", "new>hold", "hold>end"]);
    expect(sortFor(await parked(v1, before))).toMatchObject({
      verdict: "must_finish",
      reasons: [{ code: "comes_too_late", nodeId: "hold" }],
    });
    const choice = (handles: [string, string]): DefinitionInput =>
      workflow(
        [start, { id: "which", type: "condition", data: { when: "=true" } }, wait("hold"), tool("b"), end("=1")],
        ["start>which", `which:${handles[0]}>hold`, `which:${handles[1]}>b`, "hold>end", "b>end"],
      );
    const run = await parked(choice(["true", "false"]), choice(["false", "true"]));
    expect(sortFor(run)).toMatchObject({ verdict: "must_finish", reasons: [{ code: "way_changed", nodeId: "hold" }] });
  });

  test("must finish when it waits for what could not come any more", async () => {
    const renamed = { ...v1, nodes: v1.nodes.map((node) => (node.id === "hold" ? wait("hold", "other") : node)) };
    expect(codes(sortFor(await parked(v1, renamed)))).toEqual(["must_finish", "step_changed"]);
    const computed = { ...v1, nodes: v1.nodes.map((node) => (node.id === "hold" ? wait("hold", '="g" & "o"') : node)) };
    await goOn(await parked(v1, computed));
    const hooked = (id: string, signal: boolean): DefinitionInput =>
      workflow([start, signal ? wait(id) : { id, type: "wait", data: { webhook: true } }, end("=1")], [`start>${id}`, `${id}>end`]);
    expect(codes(sortFor(await parked(hooked("hold", false), hooked("hold", true))))).toEqual(["must_finish", "step_changed"]);
    expect(codes(sortFor(await parked(hooked("hold", false), hooked("other", false)), { hold: "other" }))).toEqual([
      "must_finish",
      "name_in_use",
    ]);
  });

  test("stays when it is ending, tries a workflow out, has a call open or would have to be encrypted", async () => {
    const run = await parked(v1, { ...v1, classification: "confidential" });
    expect(codes(sortFor(run))).toEqual(["must_finish", "classification_changed"]);
    run.cancel();
    expect(codes(sortFor(run))).toContain("run_ending");
    const tried = new MemoryRun(v1, echo, () => 0, { 2: v1 });
    tried.begin({}, { editor: {} });
    await tried.advance();
    expect(codes(sortFor(tried))).toEqual(["must_finish", "editor_run"]);
    const calling = new MemoryRun(v1, echo, () => 0, { 2: v1 });
    calling.begin({});
    await calling.advance(1);
    expect(codes(sortFor(calling))).toEqual(["must_finish", "not_parked", "call_open"]);
  });

  test("sorting changes nothing", async () => {
    const run = await parked(v1, { ...v1, name: "Again" });
    const before = structuredClone([...run.state.steps.values()]);
    expect(sortFor(run).verdict).toBe("compatible");
    expect([...run.state.steps.values()]).toEqual(before);
  });
});

describe("calls that may be repeated", () => {
  const risky = (name: string, effect: "once" | "none"): DefinitionInput =>
    workflow([start, tool("a", { data: { server: "s", tool: name }, policy: { effect } }), end("=steps.a")], ["start>a", "a>end"]);
  const inDoubt = async (effect: "once" | "none", to: string): Promise<MemoryRun> => {
    const run = new MemoryRun(risky("t", effect), echo, () => 0, { 2: risky(to, effect) });
    run.begin({});
    await run.advance(1);
    run.continueFrom([...run.journal]);
    return run;
  };

  test("stay the same call", async () => {
    const run = await inDoubt("once", "u");
    expect([run.state.status, ...codes(sortFor(run))]).toEqual(["waiting", "must_finish", "step_changed"]);
    const same = await inDoubt("once", "t");
    same.say({ kind: "run_paused", body: { by: "user:1", inboxId: "i" } });
    const answer = { answer: "run_again", by: "user:1", inboxId: "k" } as const;
    same.say({ kind: "step_answered", body: answer }, "a");
    expect(codes(sortFor(same))).toEqual(["compatible"]);
    same.say({ kind: "version_moved", body: { by: "user:1", inboxId: "i", from: 1, to: 2, nodes: {} } });
    same.say({ kind: "run_resumed", body: { by: "user:1", inboxId: "l" } });
    await same.advance();
    const keys = same.journal.flatMap((event) => (event.kind === "step_started" ? [event.body.key] : []));
    expect([same.state.status, keys]).toEqual(["succeeded", ["/a#1", "/a#2"]]);
  });
});

describe("what is open inside a container", () => {
  const each = (inside: Nodes, edges: string[], id = "each", concurrency = 2): DefinitionInput =>
    workflow(
      [start, { id, type: "map", data: { items: "=[1, 2]", concurrency } }, ...inside, end(`=steps.${id}`)],
      [`start>${id}`, `${id}>end`, ...edges],
    );
  const inside = each([wait("hold", "go", { parentId: "each" })], []);

  test("gets what the new version adds to it", async () => {
    const more = each(
      [wait("hold", "go", { parentId: "each" }), tool("after", { parentId: "each" }), tool("aside", { parentId: "each" })],
      ["hold>after"],
    );
    const run = await parked(inside, more);
    await goOn(run);
    run.say({ kind: "signal_received", body: { by: "user:1", inboxId: "j", name: "go", payload: "gone" } });
    await run.advance();
    expect(run.state.output).toEqual([
      { after: "after", aside: "aside" },
      { after: "after", aside: "aside" },
    ]);
  });

  test("keeps the container's name", async () => {
    const run = await parked(inside, each([wait("hold", "go", { parentId: "all" })], [], "all"));
    expect(codes(sortFor(run, { each: "all" }))).toEqual(["must_finish", "name_in_use"]);
    expect(codes(sortFor(run))[0]).toBe("needs_mapping");
  });

  test("a team keeps its mode and those who have spoken; each turn stays its member's", async () => {
    const team = (mode: "parallel" | "debate", names: string[]): DefinitionInput =>
      workflow(
        [
          start,
          wait("hold"),
          {
            id: "talk",
            type: "team",
            data: { mode, members: names.map((name) => ({ name, agent: "x" })), input: 1 },
            policy: { retry: { maxAttempts: 2 } },
          },
          end("=steps.talk"),
        ],
        ["start>hold", "start>talk", "talk>end", "hold>end"],
      );
    const retrying = async (to: DefinitionInput): Promise<MemoryRun> => {
      const run = new MemoryRun(team("parallel", ["x", "y"]), echo, () => 0, { 2: to });
      run.begin({});
      await run.advance(2);
      for (const [index, name] of ["x", "y"].entries()) {
        const place = { scope: `/talk[${index}]`, nodeId: `talk.${name}`, attempt: 1 };
        run.append({ kind: "step_started", ...place, body: { input: 1, effect: "none", key: "k", generation: 1 } });
        run.append({ kind: "step_failed", ...place, body: { error: error({ retryable: true }), retryAt: 0 } });
      }
      return run;
    };
    const run = await retrying(team("parallel", ["x", "y"]));
    expect(run.state.status).toBe("waiting");
    expect(codes(sortFor(run))).toEqual(["compatible"]);
    await goOn(run);
    expect(run.state).toMatchObject({ status: "succeeded", version: 2 });
    expect(codes(sortFor(await retrying(team("debate", ["x", "y"]))))).toEqual(["must_finish", "step_changed"]);
    expect(codes(sortFor(await retrying(team("parallel", ["z", "y"]))))).toEqual(["must_finish", "step_changed"]);
  });

  test("a join that has gone on wants no branch of the new version", async () => {
    const first = (more: Nodes, edges: string[]): DefinitionInput =>
      workflow(
        [start, tool("a"), wait("slow", "never"), ...more, { id: "any", type: "join", data: { mode: "any" } }, wait("hold"), end("=1")],
        ["start>a", "start>slow", "a>any", "slow>any", "any>hold", "hold>end", ...edges],
      );
    const run = await goOn(await parked(first([], []), first([tool("late")], ["start>late", "late>any"])));
    expect([run.state.status, run.calls]).toEqual(["succeeded", ["/a"]]);
  });
});
