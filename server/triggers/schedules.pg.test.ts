import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import type { RouteSpec } from "#contract/route.ts";
import * as contract from "#contract/trigger-routes.ts";
import type { Slot } from "#contract/triggers.ts";
import { AppError } from "#server/kernel/errors.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { eventually } from "#test/support/eventually.ts";
import { triggersOf } from "#test/support/triggers.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import {
  createPlatform,
  createProcess,
  definition,
  endNode,
  isOver,
  Outside,
  runWhen,
  saveWorkflow,
  tool,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "#server/runs/index.ts";
import type { Triggers, TriggersDeps } from "./index.ts";

let db: TestDatabase;
let platform: Platform;
let outside: Outside;
let runs: Runs;
let quick: string;
let slow: string;
const started: Triggers[] = [];

beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
  quick = await saveWorkflow(platform, definition([endNode("=input")], ["start>end"], { name: "Quick" }));
  slow = await saveWorkflow(platform, definition([tool("call"), endNode()], ["start>call", "call>end"], { name: "Slow" }));
});
afterAll(() => db.close());
beforeEach(async () => {
  outside = new Outside();
  runs = createProcess(platform, outside);
  await runs.start();
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.stop()));
  await runs.stop();
  await db.ownerPool.query("delete from schedules");
});

const create = (more: Partial<TriggersDeps> = {}): Triggers => triggersOf(platform, runs, more);
/** A process that fires. */
const fire = (more: Partial<TriggersDeps> = {}): Triggers => {
  const triggers = create(more);
  started.push(triggers);
  triggers.start();
  return triggers;
};

type Sent = { id?: string; body?: unknown; query?: unknown; tenantId?: string };
const call = <R extends RouteSpec>(route: R, { id, tenantId = db.tenantId, ...sent }: Sent = {}) =>
  callRoute(create().routes, route, { ...sent, caller: ownerOf(tenantId), params: { id } });
/** Once a year, so that only what a test makes due is due. */
const YEARLY = "0 0 1 1 *";
const add = (body: Record<string, Json> = {}) => call(contract.createSchedule, { body: { workflowId: quick, cron: YEARLY, ...body } });
const slotsOf = async (id: string): Promise<Slot[]> => (await call(contract.listSlots, { id, query: { limit: 200 } })).items;
const outcomes = async (id: string): Promise<string[]> => (await slotsOf(id)).map(({ outcome }) => outcome);
/** As if nothing had planned this schedule since then. */
async function passedSince(id: string, ago: string): Promise<void> {
  await db.ownerPool.query("update schedules set next_at = date_trunc('minute', now() - $2::interval) where id = $1", [id, ago]);
}
async function dueNow(ids: readonly string[]): Promise<void> {
  await db.ownerPool.query("update schedules set next_at = date_trunc('second', now()) where id = any($1::uuid[])", [ids]);
}

describe("a schedule", () => {
  test("is kept with its next five times, changed, and deleted", async () => {
    const made = await add({ cron: "0 9 * * *", timeZone: "Asia/Tokyo", input: { n: 1 } });
    expect(made).toMatchObject({ workflowId: quick, version: null, input: { n: 1 }, overlap: "skip", catchUp: "one", enabled: true });
    expect(made.next).toHaveLength(5);
    expect(made.next.every((time) => time.endsWith("T00:00:00.000Z"))).toBe(true);
    const changed = await call(contract.patchSchedule, { id: made.id, body: { cron: "30 9 * * *", overlap: "queue" } });
    expect(changed).toMatchObject({
      timeZone: "Asia/Tokyo",
      overlap: "queue",
      input: { n: 1 },
      next: [expect.stringContaining("T00:30:00"), ...Array(4).fill(expect.any(String))],
    });
    expect(await call(contract.getSchedule, { id: made.id })).toEqual(changed);
    expect(await call(contract.patchSchedule, { id: made.id, body: { enabled: false } })).toMatchObject({ enabled: false, next: [] });
    expect((await call(contract.listSchedules)).items.map(({ id }) => id)).toEqual([made.id]);
    await call(contract.deleteSchedule, { id: made.id });
    await expect(call(contract.getSchedule, { id: made.id })).rejects.toMatchObject({ code: "not_found" });
    const { rows } = await db.ownerPool.query("select action from audit_log where target = $1 order by seq", [`schedule:${made.id}`]);
    expect(rows.map(({ action }) => action)).toEqual(["schedule.created", "schedule.updated", "schedule.updated", "schedule.deleted"]);
  });

  test("is refused with what is wrong with it, and nothing is stored", async () => {
    const absent = "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234";
    await expect(add({ cron: "often" })).rejects.toMatchObject({ code: "schedule_invalid" });
    await expect(add({ timeZone: "Mars/Olympus" })).rejects.toMatchObject({ code: "schedule_invalid" });
    await expect(add({ workflowId: absent })).rejects.toMatchObject({ code: "not_found" });
    await expect(add({ version: 9 })).rejects.toMatchObject({ code: "version_unknown" });
    await expect(add({ input: "x".repeat(LIMITS.scheduleInputBytes) })).rejects.toMatchObject({ code: "body_too_large" });
    await expect(add({ input: "x".repeat(LIMITS.scheduleInputBytes - 2) })).resolves.toBeDefined();
    expect((await call(contract.listSchedules)).items).toHaveLength(1);
    const [only] = (await call(contract.listSchedules)).items;
    await expect(call(contract.patchSchedule, { id: only?.id ?? "", body: { cron: "0 0 30 2 *" } })).rejects.toMatchObject({
      code: "schedule_invalid",
    });
    expect(await call(contract.getSchedule, { id: only?.id ?? "" })).toMatchObject({ cron: YEARLY });
  });

  test("of another tenant is not there", async () => {
    const { id } = await add();
    const tenantId = await db.secondTenant();
    for (const route of [contract.getSchedule, contract.deleteSchedule, contract.fireSchedule, contract.listSlots]) {
      await expect(call(route, { id, tenantId })).rejects.toMatchObject({ code: "not_found" });
    }
    expect((await call(contract.listSchedules, { tenantId })).items).toEqual([]);
  });

  test("keeps its input sealed", async () => {
    await add({ input: { note: "between us" } });
    const { rows } = await db.ownerPool.query<{ input: Buffer }>("select input from schedules");
    expect(rows[0]?.input.toString("latin1")).not.toContain("between us");
  });
});

describe("firing", () => {
  test("a slot starts one run with the schedule's input, on behalf of the schedule", async () => {
    const { id } = await add({ input: { n: 7 } });
    await dueNow([id]);
    fire();
    const [slot] = await eventually(
      () => slotsOf(id),
      ([first]) => first?.outcome === "fired",
    );
    const run = await runWhen(runs, { id: slot?.runId ?? "", tenantId: db.tenantId }, isOver);
    expect(run).toMatchObject({ status: "succeeded", output: { n: 7 } });
    const { rows } = await db.ownerPool.query("select initiator from runs where id = $1", [run.id]);
    expect(rows).toEqual([{ initiator: `schedule:${id}` }]);
    const { next } = await call(contract.getSchedule, { id });
    expect(next[0]).toMatch(/-01-01T00:00:00.000Z$/);
  });

  test("no slot is fired before its time, and each comes soon after it", async () => {
    const { id } = await add({ cron: "* * * * * *" });
    fire();
    const slots = await eventually(
      () => slotsOf(id),
      (all) => all.filter(({ outcome }) => outcome !== "due").length >= 3,
    );
    const { rows } = await db.ownerPool.query<{ late: number }>(
      "select extract(epoch from r.created_at - s.slot)::float8 as late from schedule_slots s join runs r on r.id = s.run_id where s.schedule_id = $1",
      [id],
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { late } of rows) {
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThan(5);
    }
    const times = slots.map(({ slot }) => Date.parse(slot));
    expect(times.every((time, i) => i === 0 || (times[i - 1] ?? 0) - time === 1_000)).toBe(true);
  });

  test("a thousand slots that are due are fired once each, by three processes at once", async () => {
    const { id } = await add({ overlap: "allow" });
    const ids = await copies(id, 1_000);
    await dueNow(ids);
    for (let i = 0; i < 3; i += 1) fire();
    const count = async () => {
      const { rows } = await db.ownerPool.query<{ outcome: string; count: number; runs: number }>(
        "select outcome, count(*)::int as count, count(distinct run_id)::int as runs from schedule_slots where schedule_id = any($1::uuid[]) group by outcome",
        [ids],
      );
      return rows;
    };
    const rows = await eventually(count, (found) => found.every(({ outcome }) => outcome === "fired") && (found[0]?.count ?? 0) >= 1_000);
    expect(rows).toEqual([{ outcome: "fired", count: 1_000, runs: 1_000 }]);
    const { rows: runRows } = await db.ownerPool.query("select count(*)::int as count from runs where initiator = any($1::text[])", [
      ids.map((each) => `schedule:${each}`),
    ]);
    expect(runRows).toEqual([{ count: 1_000 }]);
  });

  test("a process that dies between the run's start and the slot's record leaves one run", async () => {
    const { id } = await add();
    await dueNow([id]);
    let starts = 0;
    const dying: TriggersDeps["runs"] = {
      ...runs,
      startRun: async (request) => {
        await runs.startRun(request);
        starts += 1;
        if (starts < 3) throw new AppError("database_unavailable", "The connection broke after the COMMIT.", { retryable: true });
        return runs.startRun(request);
      },
    };
    fire({ runs: dying, settings: { leaseMs: 20, pollMs: 20, backoffMs: 1, queueMs: 20, answerMs: 1_000 } });
    const [slot] = await eventually(
      () => slotsOf(id),
      ([first]) => first?.outcome === "fired",
    );
    const { rows } = await db.ownerPool.query("select id from runs where initiator = $1", [`schedule:${id}`]);
    expect(rows).toEqual([{ id: slot?.runId }]);
  });

  test("a slot whose workflow is gone, or whose input does not fit, is recorded as failed", async () => {
    const strict = await saveWorkflow(
      platform,
      definition([endNode()], ["start>end"], { name: "Strict", input: { type: "object", required: ["n"] } }),
    );
    const { id } = await add({ workflowId: strict });
    await dueNow([id]);
    fire();
    expect(
      await eventually(
        () => slotsOf(id),
        ([first]) => first?.outcome === "failed",
      ),
    ).toMatchObject([{ reason: expect.stringContaining("input_invalid") }]);
  });

  test("a disabled schedule fires nothing, and what waited is not fired later", async () => {
    const { id } = await add();
    await dueNow([id]);
    await call(contract.patchSchedule, { id, body: { enabled: false } });
    await call(contract.patchSchedule, { id, body: { enabled: true } });
    const other = await add();
    await dueNow([other.id]);
    fire();
    await eventually(
      () => outcomes(other.id),
      ([first]) => first === "fired",
    );
    expect(await slotsOf(id)).toEqual([]);
  });

  test("starts nothing for a slot that is settled in the very moment", async () => {
    const { id } = await add();
    await db.ownerPool.query(
      "insert into schedule_slots (schedule_id, slot, tenant_id, outcome, input) select id, date_trunc('second', now()), tenant_id, 'due', input from schedules where id = $1",
      [id],
    );
    const other = await db.connect("auterity_owner");
    await other.query("begin");
    await other.query("update schedule_slots set outcome = 'skipped', settled_at = now() where schedule_id = $1", [id]);
    fire();
    const isWaiting = async () => {
      const { rows } = await db.ownerPool.query(
        "select from pg_locks join pg_stat_activity using (pid) where not granted and datname = current_database()",
      );
      return rows.length > 0;
    };
    await eventually(isWaiting, (found) => found);
    await other.query("commit");
    await eventually(isWaiting, (found) => !found);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { rows } = await db.ownerPool.query("select from runs where initiator = $1", [`schedule:${id}`]);
    expect(rows).toEqual([]);
    expect(await outcomes(id)).toEqual(["skipped"]);
  });

  test("is left to others by a process that does not drive", async () => {
    const { id } = await add();
    await dueNow([id]);
    fire({ drives: false });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await slotsOf(id)).toEqual([]);
    fire();
    await eventually(
      () => outcomes(id),
      ([first]) => first === "fired",
    );
  });

  test("by hand starts a run at once and records it beside the slots", async () => {
    const { id } = await add({ input: 5 });
    const run = await call(contract.fireSchedule, { id });
    expect(run).toMatchObject({ workflowId: quick, input: 5 });
    const again = await call(contract.fireSchedule, { id });
    expect(await slotsOf(id)).toMatchObject([
      { outcome: "fired", manual: true, runId: again.id },
      { outcome: "fired", manual: true, runId: run.id },
    ]);
  });
});

/** The same schedule many times. */
async function copies(id: string, count: number): Promise<string[]> {
  const { rows } = await db.ownerPool.query<{ id: string }>(
    `insert into schedules (id, tenant_id, workflow_id, cron, time_zone, input, overlap, catch_up, catch_up_minutes, catch_up_slots, enabled, next_at, created_by)
     select gen_random_uuid(), tenant_id, workflow_id, cron, time_zone, decode('00', 'hex') || convert_to('{}', 'UTF8'), overlap, catch_up, catch_up_minutes,
       catch_up_slots, enabled, next_at, created_by from schedules, generate_series(1, $2) where id = $1 returning id`,
    [id, count],
  );
  return rows.map((row) => row.id);
}

describe("overlap", () => {
  /** A schedule of the slow workflow, whose first run goes on until `release`. */
  async function running(overlap: string) {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    outside.answer = async () => {
      await gate;
      return {};
    };
    const { id } = await add({ workflowId: slow, overlap });
    const first = await call(contract.fireSchedule, { id });
    await dueNow([id]);
    fire();
    return { id, first, release };
  }
  const cronSlots = async (id: string): Promise<Slot[]> => (await slotsOf(id)).filter(({ manual }) => !manual);

  test("`skip` records the slot as skipped, and says which run was in the way", async () => {
    const { id, first, release } = await running("skip");
    const [slot] = await eventually(
      () => cronSlots(id),
      ([found]) => found !== undefined && found.outcome !== "due",
    );
    expect(slot).toMatchObject({ outcome: "skipped", runId: null, reason: expect.stringContaining(first.id) });
    release();
    await runWhen(runs, { id: first.id, tenantId: db.tenantId }, isOver);
    await db.ownerPool.query("update schedules set next_at = date_trunc('second', now()) + interval '1 s' where id = $1", [id]);
    expect(
      await eventually(
        () => cronSlots(id),
        (all) => all.length === 2 && all[0]?.outcome === "fired",
      ),
    ).toHaveLength(2);
  });

  test("`queue` waits until the run before is over", async () => {
    const { id, first, release } = await running("queue");
    await eventually(
      () => cronSlots(id),
      (all) => all.length === 1,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await cronSlots(id)).toMatchObject([{ outcome: "due" }]);
    release();
    const [slot] = await eventually(
      () => cronSlots(id),
      ([found]) => found?.outcome === "fired",
    );
    const { rows } = await db.ownerPool.query<{ after: boolean }>(
      "select (select created_at from runs where id = $1) >= (select finished_at from runs where id = $2) as after",
      [slot?.runId, first.id],
    );
    expect(rows).toEqual([{ after: true }]);
  });

  test("a queue that is full takes no more", async () => {
    const { id, release } = await running("queue");
    await db.ownerPool.query(
      `insert into schedule_slots (schedule_id, slot, tenant_id, outcome, input, try_at)
       select id, now() - n * interval '1 hour', tenant_id, 'due', input, now() + interval '1 hour' from schedules, generate_series(1, $2) as n where id = $1`,
      [id, LIMITS.queuedSlots],
    );
    await db.ownerPool.query("update schedules set next_at = date_trunc('second', now()) + interval '1 s' where id = $1", [id]);
    await eventually(
      async () => (await cronSlots(id)).filter(({ outcome }) => outcome === "skipped"),
      (all) => all.length === 1,
    );
    release();
  });

  test("`cancel_previous` cancels the run before and starts the next", async () => {
    const { id, first, release } = await running("cancel_previous");
    await eventually(
      () => cronSlots(id),
      ([found]) => found?.outcome === "fired",
    );
    expect(await runWhen(runs, { id: first.id, tenantId: db.tenantId }, isOver)).toMatchObject({ status: "cancelled" });
    release();
  });

  test("`allow` starts beside it", async () => {
    const { id, first, release } = await running("allow");
    await eventually(
      () => cronSlots(id),
      ([found]) => found?.outcome === "fired",
    );
    expect(await runs.getRun(db.tenantId, first.id)).toMatchObject({ status: "running" });
    release();
  });
});

describe("catching up after a pause", () => {
  test.each<[string, Record<string, Json>, { fired: number; missed: number }]>([
    ["none", { catchUp: "none" }, { fired: 0, missed: 5 }],
    ["one", { catchUp: "one" }, { fired: 1, missed: 4 }],
    ["all", { catchUp: "all" }, { fired: 5, missed: 0 }],
    ["all, at most 2", { catchUp: "all", catchUpSlots: 2 }, { fired: 2, missed: 3 }],
    ["all, of two hours", { catchUp: "all", catchUpMinutes: 125 }, { fired: 2, missed: 3 }],
  ])("%s", async (_, policy, expected) => {
    const minute = new Date(Date.now() - 5 * 60_000).getUTCMinutes();
    const { id } = await add({ cron: `${minute} * * * *`, overlap: "allow", ...policy });
    await passedSince(id, "4 hours 5 minutes");
    fire();
    const all = await eventually(
      () => slotsOf(id),
      (slots) => slots.length > 0 && slots.every(({ outcome }) => outcome !== "due"),
    );
    const count = (outcome: string): number => all.filter((slot) => slot.outcome === outcome).reduce((sum, { slots }) => sum + slots, 0);
    expect({ fired: count("fired"), missed: count("missed") }).toEqual(expected);
    const { rows } = await db.ownerPool.query("select count(*)::int as count from runs where initiator = $1", [`schedule:${id}`]);
    expect(rows).toEqual([{ count: expected.fired }]);
  });

  test("a thousand slots of ten minutes ago are fired once each, in batches, by two processes", async () => {
    const { id } = await add({ overlap: "allow" });
    const ids = await copies(id, 1_000);
    const past = "date_trunc('second', now() - interval '10 minutes')";
    await db.ownerPool.query(`update schedules set next_at = ${past} where id = any($1::uuid[])`, [ids]);
    const began = performance.now();
    for (let i = 0; i < 2; i += 1) fire({ settings: { pollMs: 100 } });
    const fired = async () => {
      const { rows } = await db.ownerPool.query<{ slots: number; runs: number }>(
        `select count(*)::int as slots, count(distinct run_id)::int as runs from schedule_slots
         where outcome = 'fired' and schedule_id = any($1::uuid[])`,
        [ids],
      );
      return rows[0];
    };
    expect(await eventually(fired, (row) => row?.slots === 1_000)).toEqual({ slots: 1_000, runs: 1_000 });
    // Fifty at each look of each of the two.
    expect(performance.now() - began).toBeGreaterThan(9 * 100);
    const { rows } = await db.ownerPool.query("select count(*)::int as count from runs where initiator = any($1::text[])", [
      ids.map((each) => `schedule:${each}`),
    ]);
    expect(rows).toEqual([{ count: 1_000 }]);
  });

  test("a slot whose process died after its start is settled before the next one, which does not overtake it", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    outside.answer = async () => {
      await gate;
      return {};
    };
    const { id } = await add({ workflowId: slow, overlap: "skip" });
    const { rows } = await db.ownerPool.query<{ slot: Date }>(
      `insert into schedule_slots (schedule_id, slot, tenant_id, outcome, input, attempts, try_at)
       select id, date_trunc('second', now() - interval '2 s'), tenant_id, 'due', input, 1, now() + interval '300 ms' from schedules where id = $1
       returning slot`,
      [id],
    );
    const slot = rows[0]?.slot ?? new Date();
    const key = `schedule:${id}:${slot.toISOString()}`;
    const run = await runs.startRun({
      tenantId: db.tenantId,
      initiator: `schedule:${id}`,
      workflowId: slow,
      input: {},
      idempotencyKey: key,
    });
    await dueNow([id]);
    fire();
    const slots = await eventually(
      () => slotsOf(id),
      (all) => all.length === 2 && all.every(({ outcome }) => outcome !== "due"),
    );
    expect(slots).toMatchObject([
      { outcome: "skipped", reason: expect.stringContaining(run.id) },
      { outcome: "fired", runId: run.id },
    ]);
    release();
  });
});
