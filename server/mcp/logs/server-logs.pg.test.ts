import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { listServerLogs } from "#contract/mcp/logs.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { Tx } from "#server/kernel/ports.ts";
import { eventually } from "#test/support/eventually.ts";
import { mcpDoubles } from "#test/support/mcp/doubles.ts";
import { hostile, mcpPlatforms, register } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createServerLogs } from "../supervision/server-logs.ts";
import { writeLines } from "./log-lines.pg.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);

beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

async function quietServer() {
  const p = await platforms.open();
  const { id } = await register(p, hostile());
  const logs = createServerLogs({
    database: db.database,
    redactor: mcpDoubles().redactor,
    log: silentLog,
    now: () => new Date(),
    flushMs: 5,
  });
  const read = async (query: object) => {
    const { items } = await p.call(listServerLogs, { params: { id }, query: { limit: 200, ...query } });
    return items.map(({ text }) => text);
  };
  return { p, owner: { tenantId: db.tenantId, id }, logs, read };
}

describe("a server's log", () => {
  test("is searched by text, stream, level, time and process, and lines of two starts stay apart", async () => {
    const { p, owner, logs, read } = await quietServer();
    const processId = "0190a000-0000-7000-8000-000000000001";
    logs.add(owner, "stderr", { text: "Cannot open THE_FILE", processId });
    logs.add(owner, "message", { text: "low", level: "info" });
    logs.add(owner, "message", { text: "high", level: "critical" });
    await logs.flush();
    expect(await read({ q: "the_file" })).toEqual(["Cannot open THE_FILE"]);
    expect(await read({ q: "the%file" })).toEqual([]);
    expect(await read({ stream: "message" })).toEqual(["high", "low"]);
    expect(await read({ level: "warning" })).toEqual(["high"]);
    expect(await read({ processId })).toEqual(["Cannot open THE_FILE"]);
    expect(await read({ since: new Date(Date.now() + 60_000).toISOString() })).toEqual([]);
    const { items } = await p.call(listServerLogs, { params: { id: owner.id }, query: { limit: 200 } });
    const started = items.find(({ text }) => /^process \d+ started$/.test(text));
    expect(started?.processId).toEqual(expect.any(String));
    expect(await read({ processId: started?.processId })).toEqual([started?.text]);
  });

  test("keeps the newest lines, and no more than the limit says", async () => {
    const { owner, logs } = await quietServer();
    const perWrite = 200;
    for (let written = 0; written < LIMITS.mcpLogLines + perWrite; written += perWrite) {
      for (let i = 0; i < perWrite; i += 1) logs.add(owner, "stderr", `line ${written + i}`);
      await logs.flush();
    }
    const { rows } = await db.ownerPool.query(
      "select count(*)::int as lines, max(text) as last from mcp_server_logs where server_id = $1",
      [owner.id],
    );
    expect(rows[0]?.lines).toBe(LIMITS.mcpLogLines);
    logs.add(owner, "stderr", "x".repeat(LIMITS.mcpLogLineChars + 1));
    logs.drop(owner, 3);
    await logs.flush();
    const newest = await db.ownerPool.query("select text from mcp_server_logs where server_id = $1 order by id desc limit 2", [owner.id]);
    expect(newest.rows.map(({ text }) => text)).toEqual(["3 lines dropped", "x".repeat(LIMITS.mcpLogLineChars)]);
  });

  test("of two processes is written by one after the other, as whoever follows it never looks back", async () => {
    const { owner } = await quietServer();
    // Its own lines would wait as well.
    await platforms.close();
    const began = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const write = (tx: Tx, text: string): Promise<void> =>
      writeLines(tx, owner, { lines: [{ stream: "event", text, at: new Date(), level: null, processId: null }], kept: 100 });
    const first = db.database.asTenant(db.tenantId, async (tx) => {
      await write(tx, "first");
      began.resolve();
      await held.promise;
    });
    await began.promise;
    const second = db.database.asTenant(db.tenantId, (tx) => write(tx, "second"));
    const waiting = `select 1 from pg_locks where not granted and locktype = 'advisory'
      and database = (select oid from pg_database where datname = current_database())`;
    await eventually(
      () => db.ownerPool.query(waiting),
      ({ rows }) => rows.length === 1,
    );
    held.resolve();
    await Promise.all([first, second]);
    const { rows } = await db.ownerPool.query("select text from mcp_server_logs where server_id = $1 order by id desc limit 2", [owner.id]);
    expect(rows.map(({ text }) => text)).toEqual(["second", "first"]);
  });
});
