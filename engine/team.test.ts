import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import { LIMITS } from "#contract/limits.ts";
import { MemoryRun, error, workflow, type Outside, type Pick } from "#test/support/engine-driver.ts";
import { validate } from "./index.ts";

type Team = Extract<DefinitionInput["nodes"][number], { type: "team" }>;
type Answers = Record<string, (turn: number, input: Json) => Json | { fails: ReturnType<typeof error> }>;

const teamOf = (data: Partial<Team["data"]>, policy?: Team["policy"]): DefinitionInput =>
  workflow(
    [
      { id: "start", type: "start" },
      {
        id: "crew",
        type: "team",
        data: { mode: "sequential", members: members("ann", "bob", "cy"), input: "=input.task", ...data },
        ...(policy && { policy }),
      },
      { id: "end", type: "end", data: { output: "=steps.crew" } },
    ],
    ["start>crew", "crew>end"],
  );
const members = (...names: string[]) => names.map((name) => ({ name, agent: `agent-${name}`, instructions: `You are ${name}.` }));

/** Each member answers by how often it has been asked. */
function outside(answers: Answers): Outside {
  return ({ nodeId, scope, input }) => {
    const name = nodeId.split(".")[1] ?? "";
    const given = item(input);
    return answers[name]?.(Number(/\[(\d+)\]$/.exec(scope)?.[1]), given) ?? `${name} has nothing to say`;
  };
}
const item = (input: Json): Json =>
  typeof input === "object" && input !== null && !Array.isArray(input) ? (input["input"] ?? null) : null;

async function run(
  definition: DefinitionInput,
  answers: Answers,
  more: { task?: Json; pick?: Pick; millis?: number } = {},
): Promise<MemoryRun> {
  const memory: MemoryRun = new MemoryRun(
    definition,
    (call) => {
      memory.sleep(more.millis ?? 0);
      return outside(answers)(call);
    },
    more.pick,
  );
  memory.begin({ task: more.task ?? "Sell the car" });
  await memory.advance();
  return memory;
}
const turnsOf = ({ journal }: MemoryRun) => journal.flatMap((event) => (event.kind === "turns_started" ? [event.body.turns] : []));
const failing = (memory: MemoryRun) => memory.state.error;

describe("a sequential team", () => {
  test("lets each member answer once, knowing the task and what was said", async () => {
    const memory = await run(teamOf({}), {
      ann: () => ({ text: "a plan" }),
      bob: () => ({ text: "x", json: { price: 5 } }),
      cy: () => "sold",
    });
    expect(memory.state).toMatchObject({
      status: "succeeded",
      output: {
        output: "sold",
        turns: 3,
        tokens: 0,
        transcript: [
          { member: "ann", said: "a plan" },
          { member: "bob", said: { price: 5 } },
          { member: "cy", said: "sold" },
        ],
      },
    });
    expect(turnsOf(memory).map(([turn]) => turn?.member)).toEqual(["ann", "bob", "cy"]);
    expect(turnsOf(memory)[2]?.[0]?.input).toEqual({
      text: '# Task\nSell the car\n\n# What has been said\nann: a plan\n\nbob: {"price":5}',
      instructions: "You are cy.",
      member: "cy",
      task: "Sell the car",
      round: 1,
      rounds: 8,
      transcript: [
        { member: "ann", said: "a plan" },
        { member: "bob", said: { price: 5 } },
      ],
    });
  });

  test("fails with the member's error, once the member's own retries are used up", async () => {
    const memory = await run(teamOf({}, { retry: { maxAttempts: 2, backoffMs: 10 } }), {
      bob: () => ({ fails: error({ retryable: true, message: "no luck" }) }),
    });
    expect(memory.calls.filter((call) => call.endsWith("bob"))).toHaveLength(2);
    expect(failing(memory)).toMatchObject({ code: "tool_failed", message: "bob: no luck", nodeId: "crew" });
    expect(turnsOf(memory)).toHaveLength(2);
  });
});

describe("a parallel team", () => {
  test("asks all at once, whoever ends first", async () => {
    for (const pick of [() => 0, (count: number) => count - 1]) {
      const memory = await run(teamOf({ mode: "parallel" }), { ann: () => 1, bob: () => ({ text: "two" }), cy: () => null }, { pick });
      expect(turnsOf(memory)).toHaveLength(1);
      expect(memory.state.output).toMatchObject({ output: { ann: 1, bob: "two", cy: "cy has nothing to say" }, turns: 3 });
    }
  });

  test("a member that fails fails the team, after the others have answered", async () => {
    const memory = await run(teamOf({ mode: "parallel" }), { ann: () => ({ fails: error() }) });
    expect(memory.calls).toHaveLength(3);
    expect(failing(memory)).toMatchObject({ message: "ann: it broke" });
  });
});

describe("a team that hands over", () => {
  const mode = { mode: "handoff" } as const;

  test.each<[string, Json]>([
    ["structured", { text: "", json: { handoff: "cy", input: "look" } }],
    ["as data of an A2A agent", { text: "", data: { handoff: "cy", input: "look" } }],
    ["as the answer itself", { handoff: "cy", input: "look" }],
    ["as JSON in its text", 'I cannot do that.\n```json\n{"handoff": "cy", "input": "look"}\n```'],
    ["between other words", { text: 'I say {"handoff": "cy", "input": "look"}.', json: null }],
  ])("goes where a member says %s", async (_how, answer) => {
    const memory = await run(teamOf(mode), { ann: () => answer, cy: () => ({ output: { sold: true } }) });
    expect(turnsOf(memory).map(([turn]) => turn?.member)).toEqual(["ann", "cy"]);
    expect(turnsOf(memory)[1]?.[0]?.input).toMatchObject({ request: "look", members: [{ name: "ann" }, { name: "bob" }] });
    expect(memory.state.output).toMatchObject({ output: { sold: true }, turns: 2 });
  });

  test.each<[string, Json]>([
    ["no JSON", "I would rather not"],
    ["a member that is not there", { handoff: "zoe" }],
    ["itself", { handoff: "ann" }],
    ["neither form", { text: '{"to": "bob"}' }],
  ])("an answer with %s says how to answer", async (_what, answer) => {
    const memory = await run(teamOf(mode), { ann: () => answer });
    expect(failing(memory)).toMatchObject({ code: "team_answer_invalid", message: expect.stringMatching(/ann was told: .*"bob" or "cy"/) });
  });

  test("a member hands over only to whom it may", async () => {
    const [ann, ...others] = members("ann", "bob", "cy");
    const narrow = teamOf({ ...mode, members: [{ ...ann, name: "ann", agent: "a", handoffs: ["bob"] }, ...others] });
    expect(failing(await run(narrow, { ann: () => ({ handoff: "cy" }) }))?.message).toMatch(/<"bob">/);
  });

  test("ends after its rounds, with the last answer in the message", async () => {
    const memory = await run(teamOf({ ...mode, limits: { rounds: 3 } }), {
      ann: () => ({ handoff: "bob", input: "you" }),
      bob: () => ({ handoff: "ann", input: "no, you" }),
    });
    expect(memory.calls).toHaveLength(3);
    expect(failing(memory)).toMatchObject({ code: "team_limit", message: expect.stringMatching(/3 rounds.*"you"/) });
  });
});

describe("a debate", () => {
  const say = (output: Json, agrees: boolean) => ({ output, agrees });

  test("ends when all agree, but not before they have heard one another", async () => {
    const memory = await run(teamOf({ mode: "debate" }), {
      ann: () => say("red", true),
      bob: () => say("red", true),
      cy: (turn) => say("red", turn >= 5),
    });
    expect(turnsOf(memory).map((turns) => turns.length)).toEqual([3, 3]);
    expect(turnsOf(memory)[1]?.[0]?.input).toMatchObject({
      round: 2,
      transcript: [{ member: "ann" }, { member: "bob" }, { member: "cy" }],
    });
    expect(memory.state.output).toMatchObject({ output: { ann: "red", bob: "red", cy: "red" }, agreed: true });
  });

  test("its rounds are its end; then the lead judges", async () => {
    const debate = teamOf({ mode: "debate", lead: "ann", limits: { rounds: 2 } });
    const memory = await run(debate, { ann: () => "green it is", bob: () => say("red", false), cy: () => say("blue", false) });
    expect(memory.calls.map((call) => call.split(".")[1])).toEqual(["bob", "cy", "bob", "cy", "ann"]);
    expect(memory.state.output).toMatchObject({ output: "green it is", agreed: false, turns: 5 });
    const alone = await run(teamOf({ mode: "debate", limits: { rounds: 1 } }), {
      ann: () => say(1, true),
      bob: () => say(2, true),
      cy: () => say(3, true),
    });
    expect(alone.state.output).toMatchObject({ output: { ann: 1, bob: 2, cy: 3 }, agreed: false });
  });

  test("a position without form is refused", async () => {
    const memory = await run(teamOf({ mode: "debate" }), { ann: () => say(1, false), bob: () => say(1, false) });
    expect(failing(memory)).toMatchObject({ code: "team_answer_invalid", message: expect.stringMatching(/^cy was told: .*"agrees"/) });
  });
});

describe("a supervised team", () => {
  test("does one task after the other, until its lead is satisfied", async () => {
    const tasks: Json[] = [{ next: "cy", input: { look: "up" } }, { next: "ann" }, { done: true, output: "both" }];
    const memory = await run(teamOf({ mode: "supervisor", lead: "bob" }), {
      bob: (turn) => tasks[turn / 2] ?? null,
      cy: () => "found",
    });
    expect(memory.calls.map((call) => call.split(".")[1])).toEqual(["bob", "cy", "bob", "ann", "bob"]);
    expect(turnsOf(memory)[1]?.[0]?.input).toMatchObject({ request: { look: "up" } });
    expect(turnsOf(memory)[2]?.[0]?.input).toMatchObject({ responseSchema: { properties: { next: { enum: ["ann", "cy"] } } } });
    expect(memory.state.output).toMatchObject({ output: "both" });
  });

  test("asks its lead a last time after its rounds, and no member any more", async () => {
    const memory = await run(teamOf({ mode: "supervisor", limits: { rounds: 2 } }), { ann: () => ({ next: "bob" }) });
    expect(memory.calls.map((call) => call.split(".")[1])).toEqual(["ann", "bob", "ann", "bob", "ann"]);
    expect(failing(memory)).toMatchObject({ code: "team_limit" });
  });

  test("a task for nobody is refused", async () => {
    expect(failing(await run(teamOf({ mode: "supervisor" }), { ann: () => ({ next: "ann" }) }))).toMatchObject({
      code: "team_answer_invalid",
    });
  });
});

describe("the limits of a team", () => {
  const usage = { totalTokens: 60 };

  test("tokens are added up, and nobody speaks once they are used", async () => {
    const limited = (tokens: number) => teamOf({ limits: { tokens } });
    const answers: Answers = {
      ann: () => ({ text: "a", usage }),
      bob: () => ({ text: "b", usage: { promptTokens: 40, completionTokens: 20 } }),
      cy: () => ({ text: "c", usage }),
    };
    expect((await run(limited(121), answers)).state.output).toMatchObject({ output: "c", tokens: 180 });
    expect(failing(await run(limited(120), answers))).toMatchObject({
      code: "team_limit",
      message: 'Expected the team to use fewer than 120 tokens; it has used 120. The last answer: "b"',
    });
  });

  test("time counts from the team's beginning", async () => {
    expect((await run(teamOf({ limits: { timeMs: 2_001 } }), {}, { millis: 1_000 })).state.status).toBe("succeeded");
    expect(failing(await run(teamOf({ limits: { timeMs: 2_000 } }), {}, { millis: 1_000 }))).toMatchObject({
      code: "team_limit",
      message: expect.stringMatching(/within 2000 ms; it has taken 2000/),
    });
  });

  test("what is handed on has a size", async () => {
    const text = (over: number) => "x".repeat(LIMITS.teamTextChars - 2 + over);
    expect((await run(teamOf({}), {}, { task: text(0) })).state.status).toBe("succeeded");
    expect(failing(await run(teamOf({}), {}, { task: text(1) }))).toMatchObject({ code: "team_limit" });
    const entry = JSON.stringify({ member: "ann", said: "" }).length - 2;
    expect((await run(teamOf({}), { ann: () => text(-entry) })).state.status).toBe("succeeded");
    expect(failing(await run(teamOf({}), { ann: () => text(1 - entry) }))?.message).toMatch(/Expected ann to say at most 65536/);
    expect(
      failing(await run(teamOf({ mode: "handoff" }), { ann: () => ({ text: "", json: { handoff: "bob", input: text(1) } }) })),
    ).toMatchObject({ code: "team_limit" });
    const half = await run(teamOf({}), { ann: () => text(-40_000), bob: () => text(-20_000) });
    expect(turnsOf(half)[2]?.[0]?.input).toMatchObject({ omitted: 1, transcript: [{ member: "bob" }] });
  });
});

describe("validation of a team", () => {
  test.each<[string, Partial<Team["data"]>, string, RegExp]>([
    ["a name used twice", { members: members("ann", "ann") }, "members[1].name", /ann is used before/],
    ["a lead that is no member", { mode: "supervisor", lead: "zoe" }, "lead", /no member zoe; expected ann, bob, cy/],
    ["a lead where nobody leads", { lead: "ann" }, "lead", /sequential has no lead/],
    [
      "a handoff to nobody",
      { mode: "handoff", members: [{ name: "ann", agent: "a", handoffs: ["zoe"] }, ...members("bob")] },
      "members[0].handoffs[0]",
      /no member zoe/,
    ],
    [
      "a handoff to itself",
      { mode: "handoff", members: [{ name: "ann", agent: "a", handoffs: ["ann"] }, ...members("bob")] },
      "members[0].handoffs[0]",
      /itself/,
    ],
    [
      "a handoff in another mode",
      { members: [{ name: "ann", agent: "a", handoffs: ["bob"] }, ...members("bob")] },
      "members[0].handoffs[0]",
      /hands nothing over/,
    ],
    ["a debate of one", { mode: "debate", members: members("ann") }, "members", /at least 2/],
    ["a debate of one and a judge", { mode: "debate", lead: "ann", members: members("ann", "bob") }, "members", /at least 3/],
  ])("finds %s", (_what, data, field, message) => {
    expect(validate(teamOf(data)).issues).toMatchObject([
      { path: `nodes[1].data.${field}`, nodeId: "crew", message: expect.stringMatching(message) },
    ]);
  });
});

describe("random teams", () => {
  const names = ["ann", "bob", "cy"] as const;
  const shape = fc.record({
    mode: fc.constantFrom("sequential", "parallel", "handoff", "debate", "supervisor"),
    rounds: fc.integer({ min: 1, max: 4 }),
    lead: fc.option(fc.constantFrom(...names), { nil: undefined }),
    seed: fc.nat(1_000),
  });
  type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never;
  const definitionOf = ({ mode, rounds, lead }: Shape) =>
    teamOf({ mode, limits: { rounds }, ...(lead !== undefined && (mode === "debate" || mode === "supervisor") && { lead }) });
  /** By what is asked, never by when. */
  const answer =
    ({ seed }: Shape): Outside =>
    ({ nodeId, scope }): ReturnType<Outside> => {
      const number = seed + Number(/\[(\d+)\]$/.exec(scope)?.[1]) * 7 + nodeId.length;
      const other = names[number % 3] ?? "ann";
      if (number % 5 === 0) return { fails: error() };
      if (number % 3 === 0) return { output: number, agrees: number % 2 === 0, done: true };
      return { handoff: other, next: other, input: number, agrees: true };
    };
  const outcome = ({ state }: MemoryRun) => ({
    status: state.status,
    output: state.output,
    error: state.error?.code,
    message: state.error?.message,
  });
  const whole = async (given: Shape, pick?: Pick): Promise<MemoryRun> => {
    const memory = new MemoryRun(definitionOf(given), answer(given), pick);
    memory.begin({ task: "t" });
    await memory.advance();
    return memory;
  };

  test("end the same whatever ends first, and from every prefix of their journal, and no finished turn is repeated", async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.nat(), async (given, cut) => {
        expect(validate(definitionOf(given)).issues).toEqual([]);
        const first = await whole(given);
        expect(["succeeded", "failed"]).toContain(first.state.status);
        expect(outcome(await whole(given, (count) => cut % count))).toEqual(outcome(first));
        const prefix = first.journal.slice(0, 2 + (cut % (first.journal.length - 1)));
        const resumed = new MemoryRun(definitionOf(given), answer(given), () => 0);
        resumed.continueFrom(prefix);
        // A turn that was under way may have happened: say that it has not.
        for (const { nodeId, scope, question } of resumed.state.steps.values())
          if (question !== undefined)
            resumed.say({ kind: "step_answered", body: { answer: "did_not_happen", by: "user:1", inboxId: "i" } }, nodeId, scope);
        await resumed.advance();
        expect(outcome(resumed)).toEqual(outcome(first));
        const finished = new Set(prefix.filter(({ kind }) => kind === "step_succeeded").map(({ scope, nodeId }) => `${scope}/${nodeId}`));
        expect(resumed.calls.filter((call) => finished.has(call))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
