import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DefinitionInput } from "#contract/definition.ts";
import { MemoryRun, workflow } from "#test/support/engine-driver.ts";
import { compile, fold, sortRun, type RunState } from "./index.ts";

type Kind = "tool" | "wait" | "condition" | "map" | "any";
type Shape = { kinds: Kind[]; links: number[][] };

const shape: fc.Arbitrary<Shape> = fc.record({
  kinds: fc.array(fc.constantFrom<Kind[]>("tool", "tool", "wait", "condition", "map", "any"), { minLength: 2, maxLength: 8 }),
  links: fc.array(fc.array(fc.nat(7), { minLength: 1, maxLength: 2 }), { minLength: 8, maxLength: 8 }),
});
/** How the second version differs: nodes that are another kind, edges that lead elsewhere, names that changed, nodes more or fewer. */
const change = fc.record({
  kinds: fc.array(fc.tuple(fc.nat(7), fc.constantFrom<Kind[]>("tool", "wait", "map")), { maxLength: 1 }),
  links: fc.array(fc.tuple(fc.nat(7), fc.array(fc.nat(7), { minLength: 1, maxLength: 2 })), { maxLength: 2 }),
  renamed: fc.array(fc.nat(7), { maxLength: 2 }),
  length: fc.integer({ min: -2, max: 2 }),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function definitionOf({ kinds, links }: Shape, named: (id: string) => string): DefinitionInput {
  const nodes: DefinitionInput["nodes"] = [{ id: "start", type: "start" }];
  const edges: string[] = [];
  const handle = (i: number): string => (kinds[i] === "condition" ? (i % 2 === 0 ? ":true" : ":false") : "");
  for (const [i, kind] of kinds.entries()) {
    nodes.push(...nodesOf(named(`n${i}`), kind));
    const sources = i === 0 ? [] : [...new Set((links[i] ?? []).map((link) => link % i))];
    if (i === 0) edges.push(`start>${named("n0")}`);
    for (const source of sources) edges.push(`${named(`n${source}`)}${handle(source)}>${named(`n${i}`)}`);
    edges.push(`${named(`n${i}`)}${handle(i)}>end`);
  }
  return workflow([...nodes, { id: "end", type: "end", data: { output: 1 } }], edges);
}

function nodesOf(id: string, kind: Kind): DefinitionInput["nodes"] {
  const tool = (name: string, parentId?: string): DefinitionInput["nodes"][number] => ({
    id: name,
    type: "mcp_tool",
    data: { server: "s", tool: "t" },
    policy: { effect: "none" },
    ...(parentId === undefined ? {} : { parentId }),
  });
  if (kind === "wait") return [{ id, type: "wait", data: { signal: "go" } }];
  if (kind === "condition") return [{ id, type: "condition", data: { when: "=true" } }];
  if (kind === "any") return [{ id, type: "join", data: { mode: "any" } }];
  if (kind === "tool") return [tool(id)];
  const hold: DefinitionInput["nodes"][number] = { id: `${id}_hold`, type: "wait", parentId: id, data: { signal: "go" } };
  return [{ id, type: "map", data: { items: "=[1, 2]", concurrency: 1 } }, tool(`${id}_item`, id), hold];
}

const changed = ({ kinds, links }: Shape, by: Change): Shape => ({
  kinds: [...by.kinds.reduce((all, [i, kind]) => all.with(i % all.length, kind), kinds), "tool" as const, "wait" as const].slice(
    0,
    Math.max(1, kinds.length + by.length),
  ),
  links: by.links.reduce((all, [i, to]) => all.with(i % all.length, to), [...links, [1], [2]]),
});

const outside = ({ nodeId, scope }: { nodeId: string; scope: string }): string => `${scope}/${nodeId}`;
const signal = { kind: "signal_received", body: { by: "user:1", inboxId: "s", name: "go", payload: 1 } } as const;
const outcome = ({ status, steps, version, scopes }: RunState): unknown => ({
  status,
  version,
  steps: [...steps]
    .map(([key, step]) => [key, step.status, step.resolved, step.live])
    .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  scopes: [...scopes.values()].map(({ path, ended, closed }) => [path, ended, closed]),
});
const finishedIn = (run: MemoryRun): string[] =>
  [...run.state.steps.values()].filter(({ status }) => status === "succeeded").map(({ scope, nodeId }) => `${scope}/${nodeId}`);

let moved = 0;
describe("a run that sorts as compatible", { timeout: 60_000 }, () => {
  test("goes on to an end with the other version, and no finished step runs again", async () => {
    await fc.assert(
      fc.asyncProperty(shape, change, fc.nat(4), fc.nat(), async (given, by, signals, pick) => {
        const names = new Set(by.renamed.map((i) => `n${i % given.kinds.length}`));
        const named = (id: string): string => (names.has(id) ? `${id}_new` : id);
        const run = new MemoryRun(
          definitionOf(given, (id) => id),
          outside,
          (count) => pick % count,
          { 2: definitionOf(changed(given, by), named) },
        );
        run.begin({});
        await run.advance();
        for (let i = 0; i < signals; i += 1) {
          if (run.state.status === "waiting") run.say(signal);
          await run.advance();
        }
        const to = run.state.plans.get(2);
        if (run.state.status !== "waiting" || !to) return;
        const nodes = Object.fromEntries([...names].map((name) => [name, named(name)]));
        if (sortRun(run.state, to, nodes).verdict !== "compatible") return;
        moved += 1;
        const finished = finishedIn(run);
        run.say({ kind: "version_moved", body: { by: "user:1", inboxId: "i", from: 1, to: 2, nodes } });
        const length = run.journal.length;
        await run.advance();
        for (let i = 0; i < 60 && run.state.status === "waiting"; i += 1) {
          run.say(signal);
          await run.advance();
        }
        expect(run.state.status).toBe("succeeded");
        const after = run.journal.slice(length).filter(({ kind }) => kind === "step_started" || kind === "step_succeeded");
        const again = new Set(after.map(({ scope, nodeId }) => `${scope}/${nodeId ?? ""}`));
        const renamed = finished.map((key) => key.replace(/[^/]+$/, (id) => nodes[id] ?? id));
        expect(renamed.filter((key) => again.has(key))).toEqual([]);
        expect(new Set(run.calls).size).toBe(run.calls.length);
        const start = { runId: "run-1", plans: run.state.plans };
        const plan = compile(run.definition);
        expect(outcome(fold(plan, run.journal, start))).toEqual(outcome(run.state));
        expect(fold(plan, run.journal, { ...start, forgets: true }).status).toBe("succeeded");
        for (const cut of [length, length + Math.trunc((run.journal.length - length) / 2)]) await continuesFrom(run, cut);
      }),
      { numRuns: 400 },
    );
    expect(moved).toBeGreaterThan(30);
  });
});

/** Another process goes on from there. */
async function continuesFrom(whole: MemoryRun, cut: number): Promise<void> {
  const resumed = new MemoryRun(whole.definition, outside, () => 0);
  resumed.plans = whole.state.plans;
  resumed.continueFrom(whole.journal.slice(0, cut));
  await resumed.advance();
  for (let i = 0; i < 60 && resumed.state.status === "waiting"; i += 1) {
    resumed.say(signal);
    await resumed.advance();
  }
  expect(resumed.state.status).toBe("succeeded");
}
