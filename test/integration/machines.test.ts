import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { DefinitionInput } from "#contract/definition.ts";
import { isFinal, type Run } from "#contract/runs.ts";
import { defineAgent, skill, type RunningAgent } from "#sdk/agent.ts";
import { eventually } from "#test/support/eventually.ts";
import { hostile } from "#test/support/mcp/platform.ts";
import { Machines } from "#test/support/machines.ts";
import { TOKEN, type PlatformProcess } from "#test/support/platform.ts";
import { SlowModel } from "#test/support/slow-model.ts";

/** What a worker's poll alone would take on average; what is faster has been woken. */
const POLL_MS = 500;
const TAKEOVER_MS = 10_000;

let machines: Machines;
let model: SlowModel;
const workflows: Record<string, string> = {};

const node = (id: string, of: object) => ({ id, ...of });
const ask = (id: string) =>
  node(id, { type: "openai_model", data: { model: "slow/m", messages: [{ role: "user", content: `{{ run.id }}/${id}` }] } });
const chain = (name: string, steps: readonly { id: string }[]): DefinitionInput => {
  const nodes = [node("start", { type: "start" }), ...steps, node("end", { type: "end", data: { output: "=run.id" } })];
  const edges = nodes.slice(1).map(({ id }, i) => ({ id: `e${i}`, source: nodes[i]?.id ?? "", target: id }));
  return JSON.parse(JSON.stringify({ version: 2, name, nodes, edges }));
};

beforeAll(async () => {
  [machines, model] = await Promise.all([Machines.start({ workers: 2 }), SlowModel.start()]);
  const { client } = machines;
  await client.createAgent({ body: { name: "slow", endpoint: { kind: "openai", baseUrl: model.baseUrl, models: ["m"] } } });
  const add = (id: string) => node(id, { type: "transform", data: { output: "=1 + 1" } });
  const definitions = [
    chain("quick", [add("a"), add("b")]),
    chain("asking", [ask("first"), add("then")]),
    chain("twice", [ask("first"), ask("second")]),
    chain("counting", [node("count", { type: "custom_agent", data: { agent: "counter", skill: "count", input: {} } })]),
    chain("adding", [node("sum", { type: "mcp_tool", data: { server: "tools", tool: "add", arguments: { a: 1, b: 2 } } })]),
  ];
  for (const definition of definitions) {
    const { id } = await client.createWorkflow({ body: { name: definition.name, definition: JSON.parse(JSON.stringify(definition)) } });
    workflows[definition.name] = id;
  }
}, 180_000);
afterAll(async () => {
  await machines.dispose();
  model.close();
}, 120_000);

type Name = "quick" | "asking" | "twice" | "counting" | "adding";
const start = (name: Name): Promise<Run> => machines.client.startRun({ params: { id: workflows[name] ?? "" }, body: { input: {} } });
const startMany = (name: Name, count: number): Promise<Run[]> => Promise.all(Array.from({ length: count }, () => start(name)));
const get = (id: string): Promise<Run> => machines.client.getRun({ params: { id } });
const over = async (runs: readonly Run[]): Promise<Run[]> =>
  Promise.all(
    runs.map(({ id }) =>
      eventually(
        () => get(id),
        ({ status }) => isFinal(status),
      ),
    ),
  );
const succeeded = async (runs: readonly Run[]): Promise<void> => {
  const wrong = (await over(runs)).filter(({ status }) => status !== "succeeded");
  expect(wrong).toEqual([]);
};
const timed = async (task: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await task();
  return performance.now() - began;
};
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

type Holding = { id: string; owner: string };
const holdings = (): Promise<Holding[]> => machines.query<Holding>("select id, owner from runs where owner is not null");
/** Who has held the run, in order, and since when. */
const claims = async (runId: string): Promise<{ owner: string; at: number }[]> => {
  const { items } = await machines.client.getRunJournal({ params: { id: runId }, query: { limit: 200 } });
  return items.flatMap((event) => (event.kind === "run_claimed" ? [{ owner: event.body.owner, at: Date.parse(event.at) }] : []));
};
/** By which a worker holds its runs. */
const instanceOf = ({ output }: PlatformProcess): string =>
  output
    .match(/"instance":"([^"]+)"/g)
    ?.at(-1)
    ?.slice(12, -1) ?? "";

/** Runs that ask the model, started until this worker and another one have some in work. */
async function spread(name: "asking" | "twice", worker: PlatformProcess | undefined): Promise<Run[]> {
  const runs: Run[] = [];
  const instance = worker && instanceOf(worker);
  for (let isSpread = false; !isSpread;) {
    runs.push(...(await startMany(name, 20)));
    await eventually(
      async () => model.asked,
      (asked) => runs.every(({ id }) => asked.includes(`${id}/first`)),
    );
    const owners = new Set((await holdings()).map(({ owner }) => owner));
    isSpread = owners.has(instance ?? "") && owners.size > 1;
  }
  return runs;
}
const count = (text: string, part: string): number => text.split(part).length - 1;

describe("one API process and two workers", () => {
  test("the API starts runs and drives none; both workers carry them out", async () => {
    const runs = await startMany("quick", 200);
    expect(runs.every(({ status }) => status === "queued")).toBe(true);
    await succeeded(runs);
    const owners = await Promise.all(runs.map(async ({ id }) => (await claims(id)).map(({ owner }) => owner)));
    expect(owners.every((each) => each.length === 1)).toBe(true);
    expect(new Set(owners.flat()).size).toBe(2);
  });

  test("a run is begun when it is started, not at the next look", async () => {
    await succeeded([await start("quick")]);
    const times: number[] = [];
    for (let i = 0; i < 9; i += 1) times.push(await timed(async () => succeeded([await start("quick")])));
    expect(median(times)).toBeLessThan(POLL_MS / 2);
  });

  test("what workers do reaches the API's streams", async () => {
    const controller = new AbortController();
    const response = await fetch(`${machines.api.url}/api/v1/events`, {
      headers: { authorization: `Bearer ${TOKEN}` },
      signal: controller.signal,
    });
    let seen = "";
    const reading = (async () => {
      for await (const chunk of response.body ?? []) seen += Buffer.from(chunk).toString("utf8");
    })().catch(() => {});
    await eventually(
      async () => seen,
      (text) => text.includes('"resync"'),
    );
    const run = await start("quick");
    await eventually(
      async () => seen,
      (text) => text.includes(`"runId":"${run.id}"`) && text.includes('"status":"succeeded"'),
    );
    const asked = await start("asking");
    const kinds: string[] = [];
    for await (const event of machines.client.followRun(asked.id)) kinds.push(event.kind);
    expect(kinds.at(-1)).toBe("run_succeeded");
    controller.abort();
    await reading;
  });

  test("who speaks to a run reaches its holder at once", async () => {
    model.delayMs = 60_000;
    const times: number[] = [];
    for (let i = 0; i < 7; i += 1) {
      const { id } = await start("asking");
      await eventually(
        async () => model.asked,
        (asked) => asked.includes(`${id}/first`),
      );
      times.push(
        await timed(async () => {
          await machines.client.cancelRun({ params: { id }, body: {} });
          expect(await over([await get(id)])).toMatchObject([{ status: "cancelled" }]);
        }),
      );
    }
    model.delayMs = 0;
    expect(median(times)).toBeLessThan(POLL_MS / 2);
  });

  test("a worker serves its health, its metrics and nothing else", async () => {
    const [worker] = machines.workers;
    const status = async (path: string, token = TOKEN): Promise<number> =>
      (await fetch(`${worker?.url}${path}`, { headers: { authorization: `Bearer ${token}`, accept: "text/html" } })).status;
    expect(await status("/healthz")).toBe(200);
    expect(await status("/readyz")).toBe(200);
    expect(await status("/metrics", "wrong")).toBe(401);
    for (const path of ["/api/v1/runs", "/", "/docs", "/openapi.json"]) expect(await status(path)).toBe(404);
  });

  test("a custom agent is asked by every worker, and is not let in where nobody would ask it", async () => {
    const { token } = await machines.client.createAgent({ body: { name: "counter", endpoint: { kind: "custom" } } });
    const refused: string[] = [];
    let calls = 0;
    const skills = { count: skill({ input: z.object({}), effect: "none", run: () => (calls += 1) }) };
    const agent = (url: string | string[]): RunningAgent =>
      defineAgent({ name: "counter", version: "1.0.0", skills, token: token ?? "", url, onStatus: ({ reason }) => refused.push(reason) });
    const lost = agent(machines.api.url);
    lost.start().catch(() => {});
    await eventually(
      async () => refused,
      (reasons) => reasons.includes("the platform answered with HTTP 404"),
    );
    await lost.stop();
    const found = agent(machines.workers.map(({ url }) => url));
    await found.start();
    const runs: Run[] = [];
    for (let owners = 0; owners < 2;) {
      const some = await startMany("counting", 10);
      await succeeded(some);
      runs.push(...some);
      owners = new Set((await Promise.all(runs.map(({ id }) => claims(id)))).flat().map(({ owner }) => owner)).size;
    }
    expect(calls).toBe(runs.length);
    await found.stop();
  });

  test("a tool that is registered with the API is called by the workers", async () => {
    const { body } = { body: { name: "tools", launch: hostile() } };
    expect(await machines.client.createMcpServer({ body })).toMatchObject({ state: "READY" });
    await succeeded(await startMany("adding", 20));
  });
});

/** Runs that are started one after another while `fault` does its work. */
async function underLoad(fault: () => Promise<void>): Promise<Run[]> {
  const runs: Run[] = [];
  let isOver = false;
  const load = (async () => {
    while (!isOver) {
      runs.push(await start(runs.length % 3 === 0 ? "asking" : "quick"));
      await pause(10);
    }
  })();
  await fault();
  isOver = true;
  await load;
  return runs;
}

describe("Redis", () => {
  const everybody = (): PlatformProcess[] => [machines.api, ...machines.workers];

  test("emptied under load loses nothing, and goes on waking", async () => {
    const runs = await underLoad(async () => {
      for (let i = 0; i < 40; i += 1) {
        await machines.redis.command("flushall");
        await pause(25);
      }
    });
    expect(runs.length).toBeGreaterThan(20);
    await succeeded(runs);
    const times: number[] = [];
    for (let i = 0; i < 9; i += 1) times.push(await timed(async () => succeeded([await start("quick")])));
    expect(median(times)).toBeLessThan(POLL_MS / 2);
  });

  test("that is full costs only time", async () => {
    await machines.redis.command("config", "set", "maxmemory", "1");
    const runs = await underLoad(() => pause(1_000));
    await succeeded(runs);
    await machines.redis.command("config", "set", "maxmemory", "0");
  });

  test("that hangs holds up no request, and no run", async () => {
    machines.redis.hang();
    const times: number[] = [];
    const runs = await underLoad(async () => {
      for (let i = 0; i < 30; i += 1) {
        times.push(await timed(() => start("quick")));
        times.push(await timed(async () => get((await start("quick")).id)));
        await pause(50);
      }
    });
    await succeeded(runs);
    expect(Math.max(...times)).toBeLessThan(1_000);
    machines.redis.goOn();
  });

  test("that dies under load loses nothing; one warning a process says so, and one that it is back", async () => {
    await Promise.all(
      everybody().map((one) =>
        eventually(
          async () => one.output,
          (output) => isCalm(output),
        ),
      ),
    );
    const before = everybody().map(({ output }) => ({ gone: count(output, GONE), back: count(output, BACK) }));
    const runs = await underLoad(async () => {
      await machines.redis.kill();
      await pause(2_000);
      await machines.redis.up();
      await pause(500);
    });
    await succeeded(runs);
    await Promise.all(
      everybody().map((one) =>
        eventually(
          async () => one.output,
          (output) => isCalm(output),
        ),
      ),
    );
    const after = everybody().map(({ output }) => ({ gone: count(output, GONE), back: count(output, BACK) }));
    expect(after).toEqual(before.map(({ gone, back }) => ({ gone: gone + 1, back: back + 1 })));
    // The connections of all processes are there again.
    await eventually(
      () => timed(async () => succeeded([await start("quick")])),
      (ms) => ms < POLL_MS / 2,
    );
  });

  const GONE = "Redis does not answer as it should";
  const BACK = "Redis answers again";
  const isCalm = (output: string): boolean => count(output, GONE) === count(output, BACK);
});

describe("a worker that goes", () => {
  test("by kill -9 is taken over from within ten seconds", async () => {
    model.delayMs = 600_000;
    const [victim, survivor] = machines.workers;
    const runs = await spread("asking", victim);
    const held = await holdings();
    const killedAt = Date.now();
    await victim?.end("SIGKILL");
    model.delayMs = 0;
    const orphaned = held.filter(({ owner }) => victim && owner === instanceOf(victim));
    expect(orphaned.length).toBeGreaterThan(0);
    await succeeded(orphaned.map(({ id }) => runs.find((run) => run.id === id)).filter((run) => run !== undefined));
    for (const { id } of orphaned) {
      const [first, second, ...more] = await claims(id);
      expect(more).toEqual([]);
      expect(first?.owner).not.toBe(second?.owner);
      expect((second?.at ?? Infinity) - killedAt).toBeLessThan(TAKEOVER_MS);
    }
    // What the survivor was doing all along is still under way there; it is told to go as well.
    machines.workers.shift();
    await machines.addWorker();
    await survivor?.end("SIGTERM");
    machines.workers.shift();
    await succeeded(runs);
    await victim?.dispose();
    await survivor?.dispose();
  });

  test("by SIGTERM says so first, lets open calls end, and leaves the rest to the others at once", async () => {
    const [other] = machines.workers;
    const leaving = await machines.addWorker({ AUTERITY_DRAIN_SECONDS: "30" });
    model.asked.length = 0;
    model.abandoned = 0;
    model.delayMs = 5_000;
    const runs = await spread("twice", leaving);
    const told = leaving.end("SIGTERM");
    const readiness = await eventually(
      () => fetch(`${leaving.url}/readyz`).then(({ status }) => status),
      (status) => status !== 200,
    );
    expect(readiness).toBe(503);
    const runsStartedMeanwhile = await startMany("quick", 10);
    await succeeded(runsStartedMeanwhile);
    expect(await told).toBe(0);
    await succeeded(runs);
    expect(other?.output).not.toContain("run_lost");
    // Every call was made once: none was broken off, none repeated.
    expect(model.abandoned).toBe(0);
    expect(model.asked.toSorted()).toEqual(runs.flatMap(({ id }) => [`${id}/first`, `${id}/second`]).toSorted());
    machines.workers.pop();
    await leaving.dispose();
  });

  test("by SIGTERM breaks calls off when the time is up, and their runs go on elsewhere", async () => {
    const leaving = await machines.addWorker({ AUTERITY_DRAIN_SECONDS: "1" });
    model.asked.length = 0;
    model.abandoned = 0;
    model.delayMs = 600_000;
    await spread("asking", leaving);
    const ms = await timed(async () => expect(await leaving.end("SIGTERM")).toBe(0));
    model.delayMs = 0;
    expect(ms).toBeLessThan(15_000);
    const repeated = (): string[] => model.asked.filter((one, i) => model.asked.indexOf(one) !== i);
    await eventually(
      async () => model.abandoned,
      (abandoned) => abandoned > 0,
    );
    await eventually(
      async () => repeated().length,
      (calls) => calls > 0,
    );
    machines.workers.pop();
    await leaving.dispose();
  });

  /** The last: it leaves no installation to test. */
  test("by SIGTERM ends though the database is gone, with calls open and results that cannot be stored", async () => {
    model.delayMs = 1_500;
    const runs = await startMany("twice", 20);
    await eventually(
      async () => model.asked,
      (asked) => runs.every(({ id }) => asked.includes(`${id}/first`)),
    );
    await machines.stopDatabase();
    await pause(1_500);
    const ms = await timed(() => Promise.all([...machines.workers, machines.api].map((one) => one.end("SIGTERM"))));
    expect(ms).toBeLessThan(20_000);
  });
});
