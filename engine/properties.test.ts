import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DefinitionInput } from "#contract/definition.ts";
import { error, MemoryRun, workflow } from "#test/support/engine-driver.ts";
import { compile, fold, validate, type RunState } from "./index.ts";

type Shape = { kinds: ("tool" | "transform" | "condition" | "map")[]; links: number[][]; input: number };

/** An acyclic graph: node i is led to by some of the nodes before it. */
const shape: fc.Arbitrary<Shape> = fc.record({
  kinds: fc.array(fc.constantFrom("tool", "transform", "condition", "map"), { minLength: 1, maxLength: 9 }),
  links: fc.array(fc.array(fc.nat(8), { minLength: 1, maxLength: 3 }), { minLength: 9, maxLength: 9 }),
  input: fc.integer({ min: 0, max: 5 }),
});

function definitionOf({ kinds, links }: Shape): DefinitionInput {
  const nodes: DefinitionInput["nodes"] = [{ id: "start", type: "start" }];
  const edges: string[] = [];
  for (const [i, kind] of kinds.entries()) {
    nodes.push(...nodesOf(`n${i}`, kind));
    const sources = i === 0 ? ["start"] : [...new Set((links[i] ?? []).map((link) => `n${link % i}`))];
    for (const source of sources) edges.push(`${source}${handleFor(kinds, source, i)}>n${i}`);
  }
  nodes.push({ id: "end", type: "end", data: { output: Object.fromEntries(kinds.map((_, i) => [`n${i}`, `=steps.n${i}`])) } });
  for (const [i] of kinds.entries()) edges.push(`n${i}${handleFor(kinds, `n${i}`, i)}>end`);
  return workflow(nodes, edges);
}

function handleFor(kinds: Shape["kinds"], source: string, i: number): string {
  return kinds[Number(source.slice(1))] === "condition" ? (i % 2 === 0 ? ":true" : ":false") : "";
}

function nodesOf(id: string, kind: Shape["kinds"][number]): DefinitionInput["nodes"] {
  switch (kind) {
    case "tool":
      return [
        {
          id,
          type: "mcp_tool",
          data: { server: "s", tool: id, arguments: { n: "=input.n" } },
          policy: { effect: "none", retry: { maxAttempts: 2, jitter: 0 }, onError: "continue" },
        },
      ];
    case "condition":
      return [{ id, type: "condition", data: { when: "=input.n % 2 = 0" } }];
    case "map":
      return [
        { id, type: "map", data: { items: "=[1..input.n]", concurrency: 2 } },
        {
          id: `${id}_item`,
          type: "mcp_tool",
          parentId: id,
          data: { server: "s", tool: "t", arguments: { v: "=item" } },
          policy: { effect: "none" },
        },
      ];
    default:
      return [{ id, type: "transform", data: { output: "=input.n + 1" } }];
  }
}

/** Answers by what is asked, never by when; every third tool fails its first attempt, and every fifth all of them. */
const outside = ({ nodeId, scope, attempt, input }: { nodeId: string; scope: string; attempt: number; input: unknown }) => {
  const number = Number(nodeId.slice(1)) || 0;
  if (number % 5 === 4 || (number % 3 === 2 && attempt === 1)) return { fails: error({ retryable: true }) };
  return `${scope}/${nodeId}:${JSON.stringify(input)}`;
};

/** What must not depend on timing: times and places in the journal may. */
const outcome = ({ status, output, error: failure, steps }: RunState) => ({
  status,
  output,
  error: failure?.code,
  steps: Object.fromEntries(
    [...steps].map(([key, step]) => [key, [step.status, step.output ?? null]] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ),
});

async function runOf(given: Shape, pick: (count: number) => number): Promise<MemoryRun> {
  const run = new MemoryRun(definitionOf(given), outside, pick);
  run.begin({ n: given.input });
  await run.advance();
  return run;
}

describe("random workflows", () => {
  test("are valid as generated", () => {
    fc.assert(
      fc.property(shape, (given) => {
        expect(validate(definitionOf(given)).issues).toEqual([]);
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
        const resumed = new MemoryRun(definitionOf(given), outside, () => 0);
        resumed.continueFrom(prefix);
        await resumed.advance();
        expect(outcome(resumed.state)).toEqual(outcome(whole.state));
        expect(resumed.calls.filter((call) => finished.has(call))).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  test("fold to the state that was live", async () => {
    await fc.assert(
      fc.asyncProperty(shape, async (given) => {
        const { journal, state } = await runOf(given, () => 0);
        const parsed = validate(definitionOf(given));
        if (!parsed.valid) throw new Error("generated an invalid definition");
        expect(outcome(fold(compile(parsed.definition), journal))).toEqual(outcome(state));
      }),
      { numRuns: 100 },
    );
  });
});
