import { setTimeout as pause } from "node:timers/promises";
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { ServerState } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import { arrange, type World } from "#test/support/mcp/supervised.ts";
import { TRANSITIONS, nextState, type Cause } from "./state.ts";

/** Whether the states that were written follow one another as the table says. */
const followsTable = (states: readonly ServerState[]): boolean =>
  states.every((state, i) => {
    const before = states[i - 1];
    return before === undefined || before === state || Object.values<ServerState>(TRANSITIONS[before]).includes(state);
  });

const failed = async (w: World): Promise<void> => {
  w.outside.connects = "only with a person";
  await w.start();
  await w.reaches("FAILED");
};
const degraded = async (w: World): Promise<void> => {
  await w.start();
  w.outside.isWell = false;
  await w.reaches("DEGRADED");
};
const hanging = async (w: World): Promise<void> => {
  w.outside.connects = "never";
  void w.start();
  await w.reaches("STARTING");
};

test("what is launched is what the gate has looked at, whatever is registered in the meantime", async () => {
  const w = arrange();
  const launch = { transport: "http" as const, url: "https://example.com/another", headers: {} };
  w.outside.whileLooking = () => w.server.adopt({ launch, launchHash: "other", approvedLaunchHash: null });
  const before = w.server.record.launch;
  await w.start();
  expect(w.launched).toEqual([before]);
  expect(w.server.record).toMatchObject({ launch, launchHash: "other", approvedLaunchHash: null });
  await w.server.close();
});

/** How each transition comes about. */
const WALK: Readonly<Record<string, (w: World) => Promise<unknown>>> = {
  "STOPPED start": (w) => w.start(),
  "STOPPED quarantined": (w) => w.quarantine(),
  "STARTING start": async (w) => {
    w.outside.connects = "fails";
    await w.start();
    await vi.waitFor(() => expect(w.states.filter((state) => state === "STARTING").length).toBeGreaterThan(2), { interval: 1 });
  },
  "STARTING retry": async (w) => {
    w.outside.connects = "fails";
    await w.start();
  },
  "STARTING ready": (w) => w.start(),
  "STARTING give_up": failed,
  "STARTING stop": async (w) => {
    await hanging(w);
    await w.server.stop();
  },
  "READY check_failed": degraded,
  "READY retry": async (w) => {
    await w.start();
    w.lose();
    await w.reaches("STARTING");
  },
  "READY give_up": async (w) => {
    const once = arrange({ timings: { quickFailures: 1 } });
    await once.start();
    once.outside.connects = "never";
    once.lose();
    await once.reaches("FAILED");
    w.states.push(...once.states);
  },
  "READY stop": async (w) => {
    await w.start();
    await w.server.stop();
  },
  "DEGRADED check_passed": async (w) => {
    await degraded(w);
    w.outside.isWell = true;
    await w.reaches("READY");
  },
  "DEGRADED retry": async (w) => {
    await degraded(w);
    await vi.waitFor(() => expect(w.states.join()).toContain("DEGRADED,STARTING"), { interval: 1 });
  },
  "DEGRADED give_up": async (w) => {
    const once = arrange({ timings: { quickFailures: 1 } });
    await degraded(once);
    await once.reaches("FAILED");
    w.states.push(...once.states);
  },
  "DEGRADED stop": async (w) => {
    await degraded(w);
    await w.server.stop();
  },
  "STOPPING ended": async (w) => {
    await w.start();
    await w.server.stop();
  },
  "STOPPING survived": async (w) => {
    await w.start();
    w.outside.survivors = 1;
    await w.server.restart().catch(() => {});
    w.outside.survivors = 0;
  },
  "STOPPING quarantined": async (w) => {
    await w.start();
    await w.quarantine();
  },
  "FAILED start": async (w) => {
    await failed(w);
    w.outside.connects = "at once";
    await w.start();
  },
  "FAILED probe": async (w) => {
    w.outside.connects = "fails";
    await w.start();
    await w.reaches("FAILED");
    w.outside.connects = "at once";
    await w.reaches("READY");
  },
  "FAILED stop": async (w) => {
    await failed(w);
    await w.server.stop();
  },
  "QUARANTINED released": async (w) => {
    await w.quarantine();
    await w.release();
  },
};

const ALL = Object.entries(TRANSITIONS).flatMap(([from, causes]) =>
  Object.entries<ServerState>(causes).map(([cause, to]) => ({ from, cause, to })),
);

describe("a supervised server", () => {
  test.each(ALL)("$from, $cause → $to", async ({ from, cause, to }) => {
    const world = arrange();
    await WALK[`${from} ${cause}`]?.(world);
    expect(world.states.join()).toContain(`${from},${to}`);
    expect(followsTable(world.states.slice(0, world.states.lastIndexOf("STOPPED") + 1))).toBe(true);
    await world.server.close();
    expect(world.open.size).toBe(0);
  });

  test("what cannot happen in a state is no transition", () => {
    const causes = new Set(ALL.map(({ cause }) => cause));
    const known = ALL.map(({ from, cause }) => `${from} ${cause}`);
    for (const from of Object.keys(TRANSITIONS)) {
      for (const cause of causes) {
        const to = nextState(from as ServerState, cause as Cause);
        expect(to !== undefined).toBe(known.includes(`${from} ${cause}`));
      }
    }
    expect(Object.keys(WALK).toSorted()).toEqual(known.toSorted());
  });

  const Step = fc.constantFrom(
    "start",
    "stop",
    "restart",
    "quarantine",
    "release",
    "lose",
    "connects",
    "hangs",
    "fails",
    "sick",
    "well",
    "wait",
    "slow",
    "quick",
    "session",
    "calls",
  );

  test("whatever happens to it and in which order, it ends as it is wanted, with nothing left open that is not", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(Step, { maxLength: 14 }), async (steps) => {
        const w = arrange({ sharing: { mode: "session", sessions: 2 } });
        const bugs: unknown[] = [];
        const expected = (error: unknown): unknown => error instanceof AppError || bugs.push(error);
        const use = async (sessionKey: string): Promise<void> => {
          const lease = await w.server.acquire({ sessionKey, signal: AbortSignal.timeout(20) });
          await pause(1);
          lease.release();
        };
        for (const [i, step] of steps.entries()) {
          if (step === "wait") await pause(3);
          else if (step === "slow") w.outside.saving = pause(4);
          else if (step === "quick") w.outside.saving = undefined;
          else if (step === "session") use(`${i % 3}`).catch(expected);
          else if (step === "calls") for (let n = 0; n < 5; n += 1) use(`${n % 2}`).catch(expected);
          else if (step === "lose") w.lose();
          else if (step === "sick" || step === "well") w.outside.isWell = step === "well";
          else if (step === "connects") w.outside.connects = "at once";
          else if (step === "hangs") w.outside.connects = "never";
          else if (step === "fails") w.outside.connects = "fails";
          else if (step === "quarantine") w.quarantine().catch(expected);
          else if (step === "release") w.release().catch(expected);
          else w.server[step]().catch(expected);
        }
        Object.assign(w.outside, { connects: "at once", isWell: true, saving: undefined });
        const { desired, quarantine } = w.server.record;
        const wanted = quarantine !== null ? "QUARANTINED" : desired === "running" ? "READY" : "STOPPED";
        // An attempt that hangs is ended by nothing but its own timeout, which is the connection's.
        if (wanted === "READY") await w.server.restart().catch(expected);
        await w.reaches(wanted);
        await pause(2);
        // And the sessions of those who are still at it.
        expect(w.open.size).toBeGreaterThanOrEqual(wanted === "READY" ? 1 : 0);
        expect(w.open.size).toBeLessThanOrEqual(wanted === "READY" ? 3 : 0);
        expect(followsTable(w.states)).toBe(true);
        expect(bugs).toEqual([]);
        await w.server.close();
        expect(w.open.size).toBe(0);
      }),
      { numRuns: 150, endOnFailure: true },
    );
  }, 60_000);
});

test("calls that come while their session's connection opens give back all that they take", async () => {
  const { server, open, start } = arrange();
  server.adopt({ settings: { sharing: { mode: "session" } } });
  await start();
  for (let turns = 0; turns < 60; turns += 1) {
    const wanted = { sessionKey: `session ${turns}`, signal: new AbortController().signal };
    const first = server.acquire(wanted);
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    for (const { release } of await Promise.all([first, server.acquire(wanted)])) release();
    server.endSession(wanted.sessionKey);
  }
  await vi.waitFor(() => expect(open.size).toBe(1));
});
