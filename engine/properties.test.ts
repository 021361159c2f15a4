import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DefinitionInput } from "#contract/definition.ts";
import { error, MemoryRun, workflow } from "#test/support/engine-driver.ts";
import { compile, decide, endAfter, evolve, fold, initialState, validate, type RunState } from "./index.ts";

const KINDS = [
  "tool",
  "transform",
  "condition",
  "switch",
  "map",
  "loop",
  "nested",
  "join",
  "team",
  "wait",
  "subworkflow",
  "context",
  "http",
] as const;
type Kind = (typeof KINDS)[number];
type Shape = { kinds: Kind[]; links: number[][]; input: number };
type Node = DefinitionInput["nodes"][number];

/** An acyclic graph: node i is led to by some of the nodes before it. Nothing in it depends on time: no early joins, no signals. */
const shape: fc.Arbitrary<Shape> = fc.record({
  kinds: fc.array(fc.constantFrom(...KINDS), { minLength: 1, maxLength: 9 }),
  links: fc.array(fc.array(fc.nat(8), { minLength: 1, maxLength: 3 }), { minLength: 9, maxLength: 9 }),
  input: fc.integer({ min: 0, max: 4 }),
});

function definitionOf({ kinds, links }: Shape): DefinitionInput {
  const nodes: Node[] = [{ id: "start", type: "start" }];
  const edges: string[] = [];
  for (const [i, kind] of kinds.entries()) {
    nodes.push(...nodesOf(`n${i}`, kind));
    const sources = i === 0 ? ["start"] : [...new Set((links[i] ?? []).map((link) => `n${link % i}`))];
    for (const source of sources) edges.push(`${source}${handleFor(kinds, source, i)}>n${i}`);
  }
  // When a wait ends depends on the clock; everything else must not.
  const told = kinds.flatMap((kind, i) => (kind === "wait" ? [] : [[`n${i}`, `=steps.n${i}`] as const]));
  nodes.push({ id: "end", type: "end", data: { output: { ...Object.fromEntries(told), context: "=context" } } });
  for (const [i] of kinds.entries()) edges.push(`n${i}${handleFor(kinds, `n${i}`, i)}>end`);
  return workflow(nodes, edges);
}

function handleFor(kinds: Shape["kinds"], source: string, i: number): string {
  const kind = kinds[Number(source.slice(1))];
  if (kind === "condition") return i % 2 === 0 ? ":true" : ":false";
  if (kind === "switch") return [":zero", ":two", ":default"][i % 3] ?? "";
  return "";
}

const RETRY = { effect: "none", retry: { maxAttempts: 2, jitter: 0 }, onError: "continue" } as const;
const call = (id: string, n: string, parentId?: string): Node => ({
  id,
  type: "mcp_tool",
  ...(parentId === undefined ? {} : { parentId }),
  data: { server: "s", tool: "t", arguments: { n } },
  policy: parentId === undefined ? RETRY : { effect: "none" },
});

function nodesOf(id: string, kind: Kind): Node[] {
  switch (kind) {
    case "tool":
      return [call(id, "=input.n")];
    case "http":
      return [{ id, type: "http", data: { method: "GET", url: "http://127.0.0.1/{{ input.n }}" }, policy: RETRY }];
    case "subworkflow":
      return [{ id, type: "subworkflow", data: { workflow: "w", input: "=input.n" }, policy: { onError: "continue" } }];
    case "condition":
      return [{ id, type: "condition", data: { when: "=input.n % 2 = 0" } }];
    case "switch":
      return [
        {
          id,
          type: "switch",
          data: {
            value: "=input.n",
            cases: [
              { name: "zero", equals: 0 },
              { name: "two", equals: 2 },
            ],
          },
        },
      ];
    case "map":
      return [{ id, type: "map", data: { items: "=[1..input.n]", concurrency: 2 } }, call(`${id}_item`, "=item", id)];
    case "loop":
      return [{ id, type: "loop", data: { while: "=index < input.n" } }, call(`${id}_round`, "=[index, item]", id)];
    case "nested":
      return [
        { id, type: "loop", data: { while: "=index < 2" } },
        { id: `${id}_map`, type: "map", parentId: id, data: { items: "=[index..input.n]", concurrency: 3 } },
        call(`${id}_one`, "=item", `${id}_map`),
        { id: `${id}_two`, type: "transform", parentId: `${id}_map`, data: { output: `=[steps.${id}_one, index]` } },
      ];
    case "join":
      return [{ id, type: "join", data: { mode: "all" } }];
    case "team":
      return [
        {
          id,
          type: "team",
          data: {
            mode: "sequential",
            members: [
              { name: "a", agent: "x" },
              { name: "b", agent: "y" },
            ],
            input: "=input.n",
          },
          policy: { effect: "none" },
        },
      ];
    case "wait":
      return [{ id, type: "wait", data: { forMs: 500 } }];
    case "context":
      return [{ id, type: "context", data: { set: { [id]: "=input.n" } } }];
    default:
      return [{ id, type: "transform", data: { output: "=input.n + 1" } }];
  }
}

/** The edges of `definitionOf` look like `n0>n1`; nested nodes of a body are led to inside it. */
function withInnerEdges(definition: DefinitionInput): DefinitionInput {
  const inner = definition.nodes.flatMap(({ id }) =>
    id.endsWith("_two") ? [{ id: `in ${id}`, source: id.replace("_two", "_one"), target: id }] : [],
  );
  return { ...definition, edges: [...definition.edges, ...inner] };
}
const generated = (given: Shape): DefinitionInput => withInnerEdges(definitionOf(given));

/** Answers by what is asked, never by when; every third tool fails its first attempt, and every fifth all of them. */
const outside = ({ nodeId, scope, attempt, input }: { nodeId: string; scope: string; attempt: number; input: unknown }) => {
  const number = scope === "" ? Number(nodeId.slice(1)) || 0 : 0;
  if (number % 5 === 4 || (number % 3 === 2 && attempt === 1)) return { fails: error({ retryable: true }) };
  return `${scope}/${nodeId}:${JSON.stringify(input)}`;
};

/** What must not depend on timing: times and places in the journal may. */
const outcome = ({ status, output, error: failure, steps, plan }: RunState) => ({
  status,
  output,
  error: failure?.code,
  steps: Object.fromEntries(
    [...steps]
      .map(([key, step]) => [key, [step.status, plan.nodes.get(step.nodeId)?.type === "wait" ? null : (step.output ?? null)]] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ),
});

async function runOf(given: Shape, pick: (count: number) => number): Promise<MemoryRun> {
  const run = new MemoryRun(generated(given), outside, pick);
  run.begin({ n: given.input });
  await run.advance();
  return run;
}

describe("random workflows", () => {
  test("are valid as generated", () => {
    fc.assert(
      fc.property(shape, (given) => {
        expect(validate(generated(given)).issues).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test("end the same whatever ends first", async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.infiniteStream(fc.nat(50)), async (given, stream) => {
        const inOrder = await runOf(given, () => 0);
        const shuffled = await runOf(given, (count) => (stream.next().value ?? 0) % count);
        expect(outcome(shuffled.state)).toEqual(outcome(inOrder.state));
        expect(inOrder.state.status).toBe("succeeded");
      }),
      { numRuns: 150 },
    );
  });

  test("continue from every prefix of their journal to the same end, and no finished step runs again", async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.nat(), async (given, cut) => {
        const whole = await runOf(given, (count) => cut % count);
        const journal = [...whole.journal];
        const length = 2 + (cut % (journal.length - 1));
        const prefix = journal.slice(0, length);
        const finished = new Set(prefix.filter(({ kind }) => kind === "step_succeeded").map(({ scope, nodeId }) => `${scope}/${nodeId}`));
        const resumed = new MemoryRun(generated(given), outside, () => 0);
        resumed.continueFrom(prefix);
        await resumed.advance();
        expect(outcome(resumed.state)).toEqual(outcome(whole.state));
        expect(resumed.calls.filter((call) => finished.has(call))).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  test("fold to the state that was live, whether or not what is over is forgotten", async () => {
    await fc.assert(
      fc.asyncProperty(shape, async (given) => {
        const { journal, state } = await runOf(given, () => 0);
        const parsed = validate(generated(given));
        if (!parsed.valid) throw new Error("generated an invalid definition");
        const plan = compile(parsed.definition);
        expect(outcome(fold(plan, journal))).toEqual(outcome(state));
        const forgetful = fold(plan, journal, { forgets: true });
        expect([forgetful.status, forgetful.output]).toEqual([state.status, state.output]);
        expect([...forgetful.scopes.keys()]).toEqual([""]);
      }),
      { numRuns: 100 },
    );
  });

  test("run a step when an edge to it is live, and skip it when none is", async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.infiniteStream(fc.nat(50)), async (given, stream) => {
        const { state } = await runOf(given, (count) => (stream.next().value ?? 0) % count);
        const { definition } = state.plan;
        for (const { id, parentId } of definition.nodes) {
          const incoming = definition.edges.filter(({ target }) => target === id);
          if (parentId !== undefined || incoming.length === 0) continue;
          const isLive = incoming.some(({ source, sourceHandle = "success" }) => state.steps.get(`/${source}`)?.handle === sourceHandle);
          expect(state.steps.get(`/${id}`)?.status === "skipped", `${id} is skipped`).toBe(!isLive);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("know their last event beforehand as it will be", async () => {
    let known = 0;
    await fc.assert(
      fc.asyncProperty(shape, async (given) => {
        const { journal } = await runOf(given, () => 0);
        const parsed = validate(generated(given));
        if (!parsed.valid) throw new Error("generated an invalid definition");
        const state = initialState(compile(parsed.definition));
        for (const [i, event] of journal.entries()) {
          const early = endAfter(state, [event]);
          evolve(state, event);
          if (!early) continue;
          known += 1;
          expect(i).toBe(journal.length - 2);
          expect(decide(state, 0)).toEqual([{ kind: "finish", event: early }]);
          expect(journal.at(-1)).toMatchObject(early);
        }
      }),
      { numRuns: 100 },
    );
    expect(known).toBeGreaterThan(50);
  });
});

describe("undoing", () => {
  const chain = (undone: readonly boolean[]): DefinitionInput => {
    const ids = undone.map((_, i) => `s${i}`);
    const nodes: Node[] = ids.flatMap((id, i) => {
      const policy = { effect: "none" as const, ...(undone[i] === true ? { compensate: `u${i}` } : {}) };
      const step: Node = { id, type: "mcp_tool", data: { server: "s", tool: "t" }, policy };
      const undo: Node = { id: `u${i}`, type: "mcp_tool", data: { server: "s", tool: "u" }, policy: { effect: "none" } };
      return undone[i] === true ? [step, undo] : [step];
    });
    const fails: Node = { id: "fails", type: "mcp_tool", data: { server: "s", tool: "t" }, policy: { effect: "none" } };
    const way = ["start", ...ids, "fails", "end"];
    return workflow(
      [{ id: "start", type: "start" }, ...nodes, fails, { id: "end", type: "end" }],
      way.slice(1).map((id, i) => `${way[i] ?? ""}>${id}`),
    );
  };

  test("undoes exactly what has succeeded, the last first, also when it is cut off anywhere", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }), fc.nat(), async (undone, cut) => {
        const failing = ({ nodeId }: { nodeId: string }) => (nodeId === "fails" ? { fails: error() } : nodeId);
        const expected = undone.flatMap((isUndone, i) => (isUndone ? [`/u${i}`] : [])).toReversed();
        const whole = new MemoryRun(chain(undone), failing);
        whole.begin({});
        await whole.advance();
        expect(whole.state.status).toBe("failed");
        expect(whole.calls.filter((id) => id.startsWith("/u"))).toEqual(expected);
        const prefix = whole.journal.slice(0, 2 + (cut % (whole.journal.length - 1)));
        const resumed = new MemoryRun(chain(undone), failing);
        resumed.continueFrom(prefix);
        await resumed.advance();
        expect(outcome(resumed.state)).toEqual(outcome(whole.state));
        const done = prefix
          .filter(({ kind, nodeId }) => kind === "step_succeeded" && nodeId?.startsWith("u"))
          .map(({ nodeId }) => `/${nodeId}`);
        expect([...done, ...resumed.calls.filter((id) => id.startsWith("/u"))]).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });
});
