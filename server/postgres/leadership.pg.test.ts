import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "#server/kernel/log.ts";
import type { Leadership } from "#server/kernel/ports.ts";
import { eventually } from "#test/support/eventually.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createLeadership } from "./leadership.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

const stand = (): Leadership => {
  const leadership = createLeadership({ connect: () => db.connectWorker(), lock: "mcpChecks", log: silentLog, everyMs: 50 });
  leadership.start();
  return leadership;
};
const leadersOf = (all: readonly Leadership[]): number => all.filter((one) => one.leads()).length;

test("exactly one leads; another one follows when it stops, and when its connection is cut", async () => {
  const all = [stand(), stand(), stand()];
  await eventually(
    async () => leadersOf(all),
    (count) => count === 1,
  );
  const first = all.find((one) => one.leads());
  await first?.stop();
  expect(first?.leads()).toBe(false);
  await eventually(
    async () => leadersOf(all),
    (count) => count === 1,
  );
  const second = all.find((one) => one.leads());
  const superuser = await db.connect();
  await superuser.query("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 3");
  await eventually(
    async () => second?.leads(),
    (leads) => leads === false,
  );
  await eventually(
    async () => leadersOf(all),
    (count) => count === 1,
  );
  await Promise.all(all.map((one) => one.stop()));
  expect(leadersOf(all)).toBe(0);
});

test("a leader that says nothing any more is replaced, though its connection stands, and knows it when it wakes", async () => {
  const deps = { connect: () => db.connectWorker(), lock: "mcpChecks", log: silentLog } as const;
  const silent = createLeadership({ ...deps, everyMs: 60_000, patienceMs: 300 });
  silent.start();
  await eventually(
    async () => silent.leads(),
    (leads) => leads,
  );
  const other = stand();
  await eventually(
    async () => other.leads(),
    (leads) => leads,
  );
  await eventually(
    async () => silent.leads(),
    (leads) => !leads,
  );
  await Promise.all([silent.stop(), other.stop()]);
});

/** A process of its own that leads and says so. */
const LEADER = `
import { connect } from "#server/postgres/connection.ts";
import { createLeadership } from "#server/postgres/leadership.ts";
import { silentLog } from "#server/kernel/log.ts";
const leadership = createLeadership({ connect: () => connect(process.env.URL), lock: "mcpChecks", log: silentLog, everyMs: 50 });
leadership.start();
setInterval(() => leadership.leads() && process.stdout.write("leading"), 20);
`;

test("a leader that is killed is replaced within seconds", async () => {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", LEADER], {
    env: { URL: db.url("auterity_worker") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const other = stand();
  expect(
    await eventually(
      async () => other.leads(),
      () => true,
    ),
  ).toBe(false);
  child.kill("SIGKILL");
  const killed = performance.now();
  await eventually(
    async () => other.leads(),
    (leads) => leads,
  );
  expect(performance.now() - killed).toBeLessThan(5_000);
  await other.stop();
});
