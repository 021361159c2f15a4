import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { LiveEvent } from "#contract/system.ts";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { Dispatch, LiveBus, WorkListener } from "#server/kernel/ports.ts";
import { createLocalDispatch } from "#server/runs/local-dispatch.ts";
import { createLiveBus } from "#server/telemetry/index.ts";
import { eventually } from "#test/support/eventually.ts";
import { RedisServer } from "#test/support/redis.ts";
import { openRedis, type RedisLinks } from "./index.ts";

let server: RedisServer;
const links: RedisLinks[] = [];
const leaves: (() => Promise<void>)[] = [];

beforeAll(async () => {
  server = await RedisServer.start();
});
afterEach(async () => {
  for (const leave of leaves.splice(0)) await leave();
  for (const link of links.splice(0)) link.close();
});
afterAll(() => server.dispose());

const open = async (installation: string): Promise<RedisLinks> => {
  const link = await openRedis({ url: server.url, installation, instanceId: newId(), local: createLiveBus(silentLog), log: silentLog });
  links.push(link);
  return link;
};

type Words = { dispatch: Dispatch; due: number; woken: string[]; held: Set<string>; listening: boolean };

/** What a process hears. It can see to the runs in `held`, and to those that nobody holds. */
function hearing(dispatch: Dispatch, elsewhere: ReadonlySet<string> = new Set()): Words {
  const words: Words = { dispatch, due: 0, woken: [], held: new Set(), listening: true };
  const listener: WorkListener = {
    onDue: async (runs) => void (words.due += runs),
    onWoken: async (runId) => {
      if (elsewhere.has(runId) && !words.held.has(runId)) return false;
      words.woken.push(runId);
      return true;
    },
    holds: (runId) => words.held.has(runId),
  };
  leaves.push(dispatch.listen(listener));
  return words;
}

/** What holds for every way by which processes hear of work. */
describe.each([
  ["in the process", async () => createLocalDispatch(silentLog)],
  ["over Redis", async () => (await open(newId())).dispatch],
])("a dispatch %s", (_name, make: () => Promise<Dispatch>) => {
  test("tells about runs that are due, and about each run that is spoken to", async () => {
    const words = hearing(await make());
    // A connection may still be on its way; until then words are lost.
    await eventually(
      async () => {
        if (words.due === 0) words.dispatch.due(1);
        await pause(50);
        return words.due;
      },
      (due) => due > 0,
    );
    const before = words.due;
    words.dispatch.due(60);
    words.dispatch.due(1);
    words.dispatch.wake("a");
    words.dispatch.wake("b");
    await eventually(
      async () => words.due,
      (due) => due === before + 61,
    );
    await eventually(
      async () => words.woken.length,
      (count) => count >= 2,
    );
    expect(new Set(words.woken)).toEqual(new Set(["a", "b"]));
  });

  test("speaks into the void when nobody listens, or nobody does any more", async () => {
    const dispatch = await make();
    dispatch.due(3);
    dispatch.wake("a");
    const words = hearing(dispatch);
    await leaves.pop()?.();
    const { due } = words;
    dispatch.due(5);
    dispatch.wake("b");
    await pause(100);
    expect(words.due).toBe(due);
    expect(words.woken).not.toContain("b");
  });

  test("goes on after a listener that fails", async () => {
    const dispatch = await make();
    let calls = 0;
    const fail = (): Promise<never> => {
      calls += 1;
      return Promise.reject(new Error("broken"));
    };
    leaves.push(dispatch.listen({ onDue: fail, onWoken: fail, holds: () => false }));
    await eventually(
      async () => {
        dispatch.due(1);
        await pause(50);
        return calls;
      },
      (count) => count >= 3,
    );
  });
});

const hint = (version: number): LiveEvent => ({ type: "workflow", workflowId: "w", version });
const versions = (events: readonly LiveEvent[]): number[] => events.flatMap((event) => (event.type === "workflow" ? [event.version] : []));

describe.each([
  ["in the process", async () => createLiveBus(silentLog)],
  ["over Redis", async () => (await open(newId())).live],
])("a live bus %s", (_name, make: () => Promise<LiveBus>) => {
  test("reaches this process's listeners of the tenant at once and once, until they leave", async () => {
    const bus = await make();
    const got: Record<string, LiveEvent[]> = { a1: [], a2: [], b: [] };
    const leave = bus.subscribe("a", (event) => got["a1"]?.push(event));
    bus.subscribe("a", (event) => got["a2"]?.push(event));
    bus.subscribe("b", (event) => got["b"]?.push(event));
    bus.publish("a", hint(1));
    expect(Object.values(got).map(versions)).toEqual([[1], [1], []]);
    leave();
    leave();
    bus.publish("a", hint(2));
    bus.publish("nobody", hint(3));
    await pause(150);
    expect(Object.values(got).map(versions)).toEqual([[1], [1, 2], []]);
  });
});

describe("processes that share a Redis", () => {
  test("work goes to one of them, each piece once; a held run's word also to its holder", async () => {
    const installation = newId();
    const speaker = (await open(installation)).dispatch;
    const heldBy = new Set(["held"]);
    const [one, two] = [hearing((await open(installation)).dispatch, heldBy), hearing((await open(installation)).dispatch, heldBy)];
    two.held.add("held");
    const heard = async (): Promise<number> => one.due + two.due;
    await eventually(
      async () => {
        speaker.due(1);
        await pause(50);
        return Math.min(one.due, two.due);
      },
      (least) => least > 0,
    );
    await pause(200);
    const before = await heard();
    speaker.due(1_000);
    await eventually(heard, (due) => due === before + 1_000);
    await pause(100);
    expect(await heard()).toBe(before + 1_000);
    expect(Math.min(one.due, two.due)).toBeGreaterThan(1);
    speaker.wake("held");
    await eventually(
      async () => two.woken.length,
      (count) => count > 0,
    );
    expect(one.woken).toEqual([]);
  });

  test("a hint reaches the tenant's listeners in the others, and no other installation", async () => {
    const [installation, tenantId] = [newId(), newId()];
    const [here, there, elsewhere] = [await open(installation), await open(installation), await open(newId())];
    const got: LiveEvent[] = [];
    const stray: LiveEvent[] = [];
    there.live.subscribe(tenantId, (event) => got.push(event));
    there.live.subscribe(newId(), (event) => stray.push(event));
    elsewhere.live.subscribe(tenantId, (event) => stray.push(event));
    // Hearing the channel for the first time, a listener is told that it may have missed something.
    await eventually(
      async () => got.length,
      (count) => count === 1,
    );
    expect(got).toEqual([{ type: "resync" }]);
    for (const version of [1, 2, 3]) here.live.publish(tenantId, hint(version));
    await eventually(
      async () => versions(got).length,
      (count) => count === 3,
    );
    expect(versions(got)).toEqual([1, 2, 3]);
    expect(versions(stray)).toEqual([]);
  });

  test("what somebody else puts into Redis harms nobody", async () => {
    const installation = newId();
    const { live, dispatch } = await open(installation);
    const got: LiveEvent[] = [];
    const words = hearing(dispatch);
    live.subscribe("t", (event) => got.push(event));
    await eventually(
      async () => got.length,
      (count) => count === 1,
    );
    for (const forged of ["nonsense", "x {", 'x {"type":"run"}', 'x {"type":"sudo"}']) {
      await server.command("publish", `auterity:${installation}:live:t`, forged);
    }
    await server.command("publish", `auterity:${installation}:live:t`, `x ${JSON.stringify(hint(7))}`);
    await eventually(
      async () => versions(got).length,
      (count) => count === 1,
    );
    expect(got).toEqual([{ type: "resync" }, hint(7)]);
    expect(words.woken).toEqual([]);
  });
});
