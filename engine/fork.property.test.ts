import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Definition, type DefinitionInput } from "#contract/definition.ts";
import type { JournalEvent } from "#contract/journal.ts";
import { error, MemoryRun, workflow, type Outside } from "#test/support/engine-driver.ts";
import { compile, fold, forkEvents, validate, type RunState } from "./index.ts";

const KINDS = ["tool", "transform", "condition", "map", "tolerant", "loop", "nested", "any"] as const;
type Shape = { kinds: (typeof KINDS)[number][]; links: number[][]; input: number };

const shape: fc.Arbitrary<Shape> = fc.record({
  kinds: fc.array(fc.constantFrom(...KINDS), { minLength: 1, maxLength: 7 }),
  links: fc.array(fc.array(fc.nat(6), { minLength: 1, maxLength: 3 }), { minLength: 7, maxLength: 7 }),
  input: fc.integer({ min: 0, max: 4 }),
});
/** Without `join any`, whose outcome depends on what ends first. */
const timeless = shape.filter(({ kinds }) => !kinds.includes("any"));

function definitionOf({ kinds, links }: Shape): DefinitionInput {
  const nodes: DefinitionInput["nodes"] = [{ id: "start", type: "start" }];
  const edges: string[] = [];
  const way = (source: string, i: number): string => {
    return kinds[Number(source.slice(1))] === "condition" ? `${source}${i % 2 === 0 ? ":true" : ":false"}` : source;
  };
  for (const [i, kind] of kinds.entries()) {
    nodes.push(...nodesOf(`n${i}`, kind));
    if (kind === "map" || kind === "tolerant") edges.push(`n${i}_a>n${i}_b`);
    if (kind === "loop") edges.push(`n${i}_a>n${i}_b`);
    if (kind === "nested") edges.push(`n${i}_a>n${i}_l`, `n${i}_l>n${i}_c`);
    const sources = i === 0 ? ["start"] : [...new Set((links[i] ?? []).map((link) => `n${link % i}`))];
    for (const source of sources) edges.push(`${way(source, i)}>n${i}`);
  }
  nodes.push({ id: "end", type: "end", data: { output: Object.fromEntries(kinds.map((_, i) => [`n${i}`, `=steps.n${i}`])) } });
  for (const [i] of kinds.entries()) edges.push(`${way(`n${i}`, i)}>end`);
  return workflow(nodes, edges);
}

type Node = DefinitionInput["nodes"][number];
const tool = (id: string, args: Record<string, string>, more: { parentId?: string } = {}): Node => ({
  id,
  type: "mcp_tool",
  data: { server: "s", tool: id, arguments: args },
  policy: { effect: "none" },
  ...more,
});

function nodesOf(id: string, kind: Shape["kinds"][number]): Node[] {
  switch (kind) {
    case "tool":
      return [tool(id, { n: "=input.n" })];
    case "condition":
      return [{ id, type: "condition", data: { when: "=input.n % 2 = 0" } }];
    case "map":
    case "tolerant":
      return [
        { id, type: "map", data: { items: "=[1..input.n]", concurrency: 2, onItemError: kind === "map" ? "fail" : "continue" } },
        tool(`${id}_a`, { v: "=item" }, { parentId: id }),
        tool(`${id}_b`, { v: `=steps.${id}_a` }, { parentId: id }),
      ];
    case "loop":
      return [
        { id, type: "loop", data: { while: "=index < input.n" } },
        tool(`${id}_a`, { v: "=item" }, { parentId: id }),
        tool(`${id}_b`, { v: `=steps.${id}_a` }, { parentId: id }),
      ];
    case "nested":
      return [
        { id, type: "map", data: { items: "=[1..input.n]", concurrency: 2 } },
        tool(`${id}_a`, { v: "=item" }, { parentId: id }),
        { id: `${id}_l`, type: "loop", data: { while: "=index < 2" }, parentId: id },
        tool(`${id}_m`, { v: "=item", i: "=index" }, { parentId: `${id}_l` }),
        { id: `${id}_c`, type: "transform", data: { output: `=steps.${id}_l` }, parentId: id },
      ];
    case "any":
      return [{ id, type: "join", data: { mode: "any" } }];
    default:
      return [{ id, type: "transform", data: { output: "=input.n + 1" } }];
  }
}

const healthy: Outside = ({ nodeId, scope, input }) => `${scope}/${nodeId}:${JSON.stringify(input).length}`;
/** Some calls fail for good. */
const broken =
  (seed: number): Outside =>
  (call) =>
    hash(`${seed}${call.scope}/${call.nodeId}`) % 7 === 0 ? { fails: error() } : healthy(call);
const hash = (text: string): number => Buffer.from(text).reduce((sum, byte) => (sum * 31 + byte) % 1_000_003, 7);

const outcome = ({ status, output, error: failure, steps }: RunState) => ({
  status,
  output,
  error: failure?.code,
  steps: Object.fromEntries(
    [...steps].map(([key, step]) => [key, [step.status, step.output ?? null]] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ),
});
const ending = ({ status, output, error: failure }: RunState) => ({ status, output, error: failure?.code });

async function runOf(given: Shape, outside: Outside, pick: (count: number) => number): Promise<MemoryRun> {
  const run = new MemoryRun(definitionOf(given), outside, pick);
  run.begin({ n: given.input });
  await run.advance();
  return run;
}

const planOf = (given: Shape) => compile(Definition.parse(definitionOf(given)));
type Child = { run: MemoryRun; kept: Set<string> };

/** The run that goes on from these events, carried to its end; checks that no finished step of it is called. */
async function childOf(
  given: Shape,
  events: readonly JournalEvent[],
  { from, outside = healthy }: { from?: { scope: string; nodeId: string }; outside?: Outside },
): Promise<Child> {
  const forked = forkEvents(planOf(given), events, { from });
  if (forked.kind !== "events") throw new Error(`The fork was refused: ${forked.kind}.`);
  const run = new MemoryRun(definitionOf(given), outside);
  run.append({
    kind: "run_created",
    scope: "",
    nodeId: null,
    attempt: 0,
    body: { workflowId: "w", version: 1, input: { n: given.input }, initiator: "user:1" },
  });
  for (const event of forked.events) run.append(event);
  const kept = new Set(
    [...run.state.steps.values()].filter(({ endedAt }) => endedAt !== undefined).map(({ scope, nodeId }) => `${scope}/${nodeId}`),
  );
  run.append({ kind: "run_claimed", scope: "", nodeId: null, attempt: 0, body: { owner: "me" } });
  await run.advance();
  expect(run.calls.filter((call) => kept.has(call))).toEqual([]);
  expect(ending(fold(planOf(given), run.journal, { forgets: true }))).toEqual(ending(run.state));
  return { run, kept };
}

const begunSteps = ({ state }: MemoryRun) =>
  [...state.steps.values()].filter((step) => step.status === "succeeded" || step.status === "failed");
const finishedIn = (events: readonly JournalEvent[]) =>
  new Set(events.filter(({ kind }) => kind === "step_succeeded").map(({ scope, nodeId }) => `${scope}/${nodeId}`));

describe("forks of random workflows", { timeout: 60_000 }, () => {
  test("are valid as generated", () => {
    fc.assert(
      fc.property(shape, (given) => {
        expect(validate(definitionOf(given)).issues).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  test("from any step, with nothing changed, end as their parent did, and repeat nothing that does not depend on the step", async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.nat(), fc.nat(), async (given, at, timing) => {
        const parent = await runOf(given, healthy, (count) => timing % count);
        const steps = begunSteps(parent);
        const from = steps[at % steps.length];
        if (!from) throw new Error("Nothing has begun.");
        const { run, kept } = await childOf(given, parent.journal, { from: { scope: from.scope, nodeId: from.nodeId } });
        const isTimeless = !given.kinds.includes("any");
        expect(isTimeless ? outcome(run.state) : run.state.status).toEqual(isTimeless ? outcome(parent.state) : "succeeded");
        // The start node ends as the run begins.
        expect(kept.has(`${from.scope}/${from.nodeId}`)).toBe(from.nodeId === "start");
        // Such a join may have gone on before one of the steps that lead to it.
        if (!isTimeless) return;
        const before = [...parent.state.steps.values()].filter(
          (step) => (step.endedSeq ?? Infinity) < (from.endedSeq ?? 0) && step.status === "succeeded",
        );
        const around = (step: { scope: string; nodeId: string }) => `${from.scope}/`.startsWith(`${step.scope}/${step.nodeId}[`);
        const inside = (step: { scope: string }) => step.scope.startsWith(`${from.scope}/${from.nodeId}[`);
        const lost = before.filter((step) => !kept.has(`${step.scope}/${step.nodeId}`) && !around(step) && !inside(step));
        expect(lost.map(({ scope, nodeId }) => `${scope}/${nodeId}`)).toEqual([]);
      }),
      { numRuns: 80 },
    );
  });

  test("of a failed run end as if nothing had failed, and repeat nothing that has succeeded", async () => {
    await fc.assert(
      fc.asyncProperty(timeless, fc.nat(), fc.nat(), async (given, seed, timing) => {
        const parent = await runOf(given, broken(seed), (count) => timing % count);
        // Those that do not fail are no example of it: others are made in their place.
        fc.pre(parent.state.status === "failed");
        const { run } = await childOf(given, parent.journal, {});
        expect(run.state.status).toBe("succeeded");
        expect(run.calls.filter((call) => finishedIn(parent.journal).has(call))).toEqual([]);
        // An item whose failure a map has taken for its result stays one.
        if (!given.kinds.includes("tolerant")) expect(outcome(run.state)).toEqual(outcome((await runOf(given, healthy, () => 0)).state));
      }),
      { numRuns: 40 },
    );
  });

  test("of a run that still goes on take over what has finished", async () => {
    await fc.assert(
      fc.asyncProperty(timeless, fc.nat(), fc.nat(), async (given, cut, timing) => {
        const parent = await runOf(given, healthy, (count) => timing % count);
        const prefix = parent.journal.slice(0, 2 + (cut % (parent.journal.length - 1)));
        const { run } = await childOf(given, prefix, {});
        expect(outcome(run.state)).toEqual(outcome(parent.state));
        expect(run.calls.filter((call) => finishedIn(prefix).has(call))).toEqual([]);
      }),
      { numRuns: 80 },
    );
  });

  test("of a cancelled run go on where it was", async () => {
    await fc.assert(
      fc.asyncProperty(timeless, fc.nat(60), fc.nat(), async (given, steps, timing) => {
        const parent = new MemoryRun(definitionOf(given), healthy, (count) => timing % count);
        parent.begin({ n: given.input });
        await parent.advance(steps);
        if (parent.state.status === "succeeded") return;
        parent.cancel();
        await parent.advance();
        expect(parent.state.status).toBe("cancelled");
        const { run } = await childOf(given, parent.journal, {});
        expect(outcome(run.state)).toEqual(outcome((await runOf(given, healthy, () => 0)).state));
        expect(run.calls.filter((call) => finishedIn(parent.journal).has(call))).toEqual([]);
      }),
      { numRuns: 80 },
    );
  });

  test("of forks hold as well", async () => {
    await fc.assert(
      fc.asyncProperty(timeless, fc.nat(), fc.nat(), async (given, at, again) => {
        const parent = await runOf(given, broken(at), (count) => at % count);
        const first = await childOf(given, parent.journal, { outside: broken(again) });
        const { run } = await childOf(given, first.run.journal, {});
        expect(run.state.status).toBe("succeeded");
        expect(run.calls.filter((call) => finishedIn(first.run.journal).has(call))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
