import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Arena, type FaultWorker } from "#test/support/faults/arena.ts";
import { end, saveWorkload, workflow } from "#test/support/faults/workload.ts";
import { Proxy } from "#test/support/proxy.ts";
import { random, SEEDS } from "#test/support/random.ts";
import { RedisServer } from "#test/support/redis.ts";

const IS_FULL = SEEDS.length > 1;
const RUNS = IS_FULL ? 60 : 22;
const TIMERS = 1_000;

describe.each(SEEDS)("Redis under an API process and two workers, seed %s", (seed) => {
  const next = random(seed);
  const any = (most: number): number => Math.floor(next() * most);
  let redis: RedisServer;
  let way: Proxy;
  let arena: Arena;
  let workflows: string[] = [];
  beforeAll(async () => {
    redis = await RedisServer.start();
    way = await Proxy.before(redis.port);
    arena = await Arena.start(seed, ["api", "worker", "worker"], { REDIS_URL: `redis://127.0.0.1:${way.port}/0` });
    workflows = await saveWorkload(arena);
  });
  afterAll(async () => {
    redis.goOn();
    await arena.close();
    await way.close();
    await redis.dispose();
  });

  const workers = (): FaultWorker[] => arena.workers.slice(1);
  const startRuns = (count: number): Promise<string[]> =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        arena.startRun({ workflowId: workflows[i % workflows.length] ?? "", input: { delayMs: 1 + any(60) } }),
      ),
    );
  const over = async (): Promise<void> => {
    await arena.settle(40_000);
    await arena.verdict({ overBy: Date.now() });
  };

  test("F17 F18 F19: emptied, hung, cut off, slow and killed under load, Redis costs time and nothing else", async () => {
    const faults: [name: string, begin: () => unknown, heal: () => unknown][] = [
      ["emptied", () => redis.command("FLUSHALL"), () => undefined],
      ["hung", () => redis.hang(), () => redis.goOn()],
      ["cut off", () => (way.mode = "blackhole"), () => ((way.mode = "pass"), way.reset())],
      ["half closed", () => way.halfClose(), () => undefined],
      ["slow", () => (way.delayMs = 200), () => (way.delayMs = 0)],
      ["killed", () => redis.kill(), () => redis.up()],
    ];
    for (const [name, begin, heal] of faults) {
      const starting = startRuns(RUNS / 2);
      await pause(any(100));
      arena.history.mark(`Redis is ${name}`);
      await begin();
      const during = startRuns(4);
      await pause(400 + any(200));
      await Promise.all([starting, during]);
      await heal();
      arena.history.mark("Redis is well");
    }
    await over();
  });

  test("F03: a worker dies while Redis is gone: the other takes its runs over all the same", async () => {
    const [first] = workers();
    const ids = await startRuns(RUNS);
    await pause(any(300));
    await redis.kill();
    await first?.kill();
    await arena.expireLeases(ids);
    await arena.settle(40_000);
    await redis.up();
    await first?.start();
    await arena.verdict({ overBy: Date.now() });
  });

  test(`F33: ${TIMERS} timers that fell due while every worker was down, and Redis too: each goes on once, within 15 s`, async () => {
    const sleeps = await arena.saveWorkflow(
      workflow("Sleeps", [{ id: "hold", type: "wait", data: { forMs: 6_000 } }, end()], ["start>hold>end"]),
    );
    for (let i = 0; i < TIMERS; i += 100)
      await Promise.all(Array.from({ length: 100 }, () => arena.startRun({ workflowId: sleeps, input: {} })));
    for (let isHeld = true; isHeld;) {
      const { rows } = await arena.superuser.query<{ waiting: number }>(
        "select count(*)::int as waiting from runs where workflow_id = $1 and owner is null and status = 'waiting'",
        [sleeps],
      );
      isHeld = (rows[0]?.waiting ?? 0) < TIMERS;
      await pause(50);
    }
    await redis.kill();
    for (const worker of workers()) await worker.kill();
    arena.history.mark("everything is down");
    await pause(6_500);
    await Promise.all(workers().map((worker) => worker.start()));
    const back = Date.now();
    await arena.settle(40_000);
    const { answers } = await arena.verdict({ overBy: back + 15_000 });
    const fired = [...answers.values()].map(
      ({ journal }) => journal.filter(({ kind, nodeId }) => kind === "step_succeeded" && nodeId === "hold").length,
    );
    expect(fired).toHaveLength(TIMERS);
    expect(new Set(fired)).toEqual(new Set([1]));
    await redis.up();
  });
});
