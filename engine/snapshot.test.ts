import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { Definition, type DefinitionInput } from "#contract/definition.ts";
import { JournalEvent } from "#contract/journal.ts";
import { error, MemoryRun, workflow, type Outside } from "#test/support/engine-driver.ts";
import { compile, decide, evolve, fold, fromSnapshot, initialState, recover, toSnapshot, type Plan, type RunState } from "./index.ts";

type Subject = { plan: Plan; plans?: ReadonlyMap<number, Plan>; journal: readonly JournalEvent[]; forgets: boolean };

const written = (state: RunState): Json => JSON.parse(JSON.stringify(toSnapshot(state)));

/** Holes in results and members that are undefined say nothing: what counts is what JSON would say, and what is done next. */
function expectSame(restored: RunState, state: RunState): void {
  expect(restored).toEqual(state);
  const now = Date.parse(state.at);
  for (const at of [now, now + 400 * 24 * 60 * 60 * 1000]) expect(decide(restored, at)).toEqual(decide(state, at));
  expect(recover(restored)).toEqual(recover(state));
}

/** From every prefix, or from every `stride`th: restored, it goes on exactly like the fold, to the end. */
function expectContinues({ plan, plans = new Map(), journal, forgets }: Subject, stride = 1): void {
  const start = { runId: "run-1", plans, forgets };
  for (let length = 1; length <= journal.length; length += stride) {
    const live = fold(plan, journal.slice(0, length), start);
    const restored = fromSnapshot(plan, written(live), start);
    if (!restored) throw new Error("Expected a state.");
    expectSame(restored, live);
    for (const event of journal.slice(length)) {
      const copy = structuredClone(event);
      expectSame(evolve(restored, copy), evolve(live, event));
    }
  }
}

const folder = new URL("golden/", import.meta.url);
const golden = readdirSync(folder).map((name) => {
  const { definition, others = {}, journal } = JSON.parse(readFileSync(new URL(name, folder), "utf8"));
  const plans = new Map(Object.entries(others).map(([version, other]) => [Number(version), compile(Definition.parse(other))]));
  return { name, plan: compile(Definition.parse(definition)), plans, journal: () => JournalEvent.array().parse(structuredClone(journal)) };
});

describe("snapshots of golden journals", () => {
  test.each(golden)("$name goes on from every event", ({ plan, plans, journal }) => {
    for (const forgets of [false, true]) expectContinues({ plan, plans, journal: journal(), forgets });
  });

  test("one of another version is not read", () => {
    const plan = compile(Definition.parse({ version: 2, name: "W", nodes: [{ id: "start", type: "start" }], edges: [] }));
    expect(fromSnapshot(plan, { ...Object(written(initialState(plan))), v: 0 })).toBeUndefined();
    for (const other of [null, 1, "x", [], {}]) expect(fromSnapshot(plan, other)).toBeUndefined();
  });

  test("one that follows a version which was not loaded is not read", () => {
    const moved = golden.find(({ name }) => name === "v1-moved.json");
    if (!moved) throw new Error("Expected the journal of a run that was moved.");
    const state = fold(moved.plan, moved.journal(), { plans: moved.plans });
    expect(fromSnapshot(moved.plan, written(state), { plans: moved.plans })?.plan).toBe(state.plan);
    expect(fromSnapshot(moved.plan, written(state))).toBeUndefined();
  });
});

const KINDS = ["tool", "flaky", "undone", "transform", "map", "nested", "loop", "signal", "approval", "child"] as const;
type Kind = (typeof KINDS)[number];
type Shape = { kinds: Kind[]; links: number[][]; join: "all" | "any"; cancelAt: number };

const shape: fc.Arbitrary<Shape> = fc.record({
  kinds: fc.array(fc.constantFrom(...KINDS), { minLength: 1, maxLength: 6 }),
  links: fc.array(fc.array(fc.nat(5), { minLength: 1, maxLength: 2 }), { minLength: 6, maxLength: 6 }),
  join: fc.constantFrom("all", "any"),
  cancelAt: fc.nat(120),
});

type NodeInput = DefinitionInput["nodes"][number];
const call = (id: string, more: Partial<NodeInput> = {}): NodeInput => {
  const node: NodeInput = { id, type: "mcp_tool", data: { server: "s", tool: id, arguments: { v: "=item" } } };
  return Object.assign(node, more);
};

const NODES: Record<Kind, (id: string) => NodeInput[]> = {
  tool: (id) => [call(id, { policy: { effect: "once" } })],
  flaky: (id) => [call(id, { policy: { retry: { maxAttempts: 3 }, onError: "continue" } })],
  undone: (id) => [call(id, { policy: { compensate: `${id}_undo` } }), call(`${id}_undo`)],
  transform: (id) => [{ id, type: "transform", data: { output: "=input.n + 1" } }],
  map: (id) => [
    { id, type: "map", data: { items: "=[1..4]", concurrency: 2, onItemError: "continue" } },
    call(`${id}_in`, { parentId: id }),
  ],
  nested: (id) => [
    { id, type: "map", data: { items: "=[1..2]" } },
    { id: `${id}_map`, type: "map", parentId: id, data: { items: "=[item, item]", concurrency: 2 } },
    call(`${id}_in`, { parentId: `${id}_map`, policy: { compensate: `${id}_undo` } }),
    call(`${id}_undo`, { parentId: `${id}_map` }),
  ],
  loop: (id) => [{ id, type: "loop", data: { while: "=index < 3" } }, call(`${id}_in`, { parentId: id })],
  signal: (id) => [{ id, type: "wait", data: { signal: "go" }, policy: { timeoutMs: 60_000, onError: "continue" } }],
  approval: (id) => [{ id, type: "approval", data: { approvers: ["role:owner"], deadline: 60_000, onDeadline: "continue" } }],
  child: (id) => [{ id, type: "subworkflow", data: { workflow: "other" } }],
};

function definitionOf({ kinds, links, join }: Shape): DefinitionInput {
  const nodes: NodeInput[] = [{ id: "start", type: "start" }];
  const edges: string[] = [];
  for (const [i, kind] of kinds.entries()) {
    nodes.push(...NODES[kind](`n${i}`));
    const sources =
      i === 0 ? ["start"] : [...new Set((links[i] ?? []).map((link) => (link % (i + 1) === i ? "start" : `n${link % (i + 1)}`)))];
    edges.push(...sources.map((source) => `${source}>n${i}`), `n${i}>join`);
  }
  nodes.push({ id: "join", type: "join", data: { mode: join } }, { id: "end", type: "end" });
  return workflow(nodes, [...edges, "join>end"]);
}

async function runOf(given: Shape, stream: Iterator<number>): Promise<MemoryRun> {
  const outside: Outside = ({ nodeId, attempt }): ReturnType<Outside> => {
    if (attempt < 3 && nodeId.length % 2 === 0) return { fails: error({ retryable: true }) };
    return { nodeId, text: "é\u0000" };
  };
  const pick = (count: number): number => Number(stream.next().value ?? 0) % count;
  const run = new MemoryRun(definitionOf(given), outside, pick);
  run.begin({ n: 1 });
  await run.advance(given.cancelAt);
  run.say({ kind: "signal_received", body: { by: "user:1", inboxId: "i", name: "go", payload: 1 } });
  if (given.cancelAt % 3 === 0 && run.state.status === "running") run.cancel();
  await run.advance();
  return run;
}

describe("snapshots of random workflows", () => {
  test.each([false, true])("go on from every event exactly like the fold (scopes forgotten: %s)", async (forgets) => {
    await fc.assert(
      fc.asyncProperty(shape, fc.infiniteStream(fc.nat(50)), async (given, stream) => {
        const { journal } = await runOf(given, stream);
        expectContinues({ plan: compile(Definition.parse(definitionOf(given))), journal, forgets }, Math.ceil(journal.length / 12));
      }),
      { numRuns: 40 },
    );
  });
});
