import { randomBytes } from "node:crypto";
import { Registry } from "prom-client";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { getFrame, listMessages } from "#contract/messages.ts";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { Frame } from "#server/kernel/ports.ts";
import { createKeyring, createRedactor, createSecrets } from "#server/secrets/index.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createMessaging } from "./index.ts";

const DAY_MS = 86_400_000;
let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

let clock = Date.UTC(2031, 4, 5, 12);
let tenantId = "";
let messaging: ReturnType<typeof messagingOn>;

function messagingOn(registry?: Registry, searchMs?: number) {
  const { database } = db;
  const redactor = createRedactor();
  redactor.track("sk-canary-12345678");
  const keyring = createKeyring({ database, masterKey: randomBytes(32) });
  const { codec } = createSecrets({ database, keyring, redactor, audit: { record: async () => {} }, newId });
  return createMessaging({
    database,
    redactor,
    codec,
    log: silentLog,
    newId,
    now: () => new Date(clock),
    registry,
    searchMs,
    retentionDays: 3,
  });
}
beforeEach(async () => {
  tenantId = await db.secondTenant();
  messaging = messagingOn();
});

const frame = (over: Partial<Frame> = {}): Frame => ({
  tenantId,
  protocol: "mcp",
  direction: "out",
  kind: "request",
  method: "tools/call",
  from: "platform",
  to: "mcp:files",
  correlationId: "c1",
  content: { hello: "world" },
  ...over,
});
const recordAll = async (...frames: Partial<Frame>[]) => {
  for (const each of frames) {
    clock += 1;
    messaging.frames.record(frame(each));
  }
  await messaging.flush();
};
const list = (query: Record<string, string> = {}, of = tenantId) =>
  callRoute(messaging.routes, listMessages, { caller: ownerOf(of), query });
const methods = async (query: Record<string, string> = {}) => (await list(query)).items.map(({ method }) => method);
const partitions = async () => {
  const { rows } = await db.ownerPool.query<{ day: string }>(
    "select right(relname, 8) as day from pg_class join pg_inherits on inhrelid = pg_class.oid where inhparent = 'protocol_frames'::regclass order by 1",
  );
  return rows.map(({ day }) => day);
};

describe("messages", () => {
  const runId = newId();
  const step = { runId, scope: "/each[3]", nodeId: "read", attempt: 2 };

  test("come back as they crossed the border, joined to their step", async () => {
    await recordAll({ step, latencyMs: 1.5, direction: "in", kind: "response", content: ["\u0000", "\ud800", { a: null }] });
    expect((await list()).items).toEqual([
      {
        id: expect.any(String),
        at: new Date(clock).toISOString(),
        protocol: "mcp",
        direction: "in",
        kind: "response",
        method: "tools/call",
        from: "platform",
        to: "mcp:files",
        correlationId: "c1",
        runId,
        scope: "/each[3]",
        nodeId: "read",
        attempt: 2,
        serverId: null,
        connectionId: null,
        transport: null,
        era: null,
        tool: null,
        errorCode: null,
        sizeBytes: expect.any(Number),
        latencyMs: 1.5,
        content: ["\u0000", "\ud800", { a: null }],
        truncated: false,
        redacted: false,
      },
    ]);
  });

  test("are newest first, and oldest first within a run", async () => {
    const run = newId();
    await recordAll(...["a", "b", "c"].map((method) => ({ method, step: { ...step, runId: run } })), { method: "outside" });
    expect(await methods()).toEqual(["outside", "c", "b", "a"]);
    expect(await methods({ runId: run })).toEqual(["a", "b", "c"]);
  });

  test("are filtered by node, protocol and exchange", async () => {
    await recordAll(
      { method: "a", step },
      { method: "b", protocol: "a2a", correlationId: "c2" },
      { method: "c", correlationId: "c2", step: { ...step, nodeId: "write" } },
    );
    expect(await methods({ nodeId: "write" })).toEqual(["c"]);
    expect(await methods({ protocol: "a2a" })).toEqual(["b"]);
    expect(await methods({ correlationId: "c2" })).toEqual(["c", "b"]);
    expect(await methods({ runId: newId() })).toEqual([]);
  });

  test.each([true, false])("come in pages without gaps or repetitions, also at equal times (in a run: %s)", async (inRun) => {
    const run = newId();
    for (let i = 0; i < 25; i++) messaging.frames.record(frame({ method: `m${i}`, step: { ...step, runId: run } }));
    await messaging.flush();
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await list({ limit: "10", ...(inRun ? { runId: run } : {}), ...(cursor ? { cursor } : {}) });
      seen.push(...page.items.map(({ method }) => method));
      cursor = page.nextCursor ?? undefined;
    } while (cursor);
    const expected = Array.from({ length: 25 }, (_, i) => `m${i}`);
    expect(seen).toEqual(inRun ? expected : expected.toReversed());
  });

  test("come with their request and their answer, however much was said in between and whatever else had the same id", async () => {
    const said = Array.from({ length: 150 }, () => ({ kind: "notification" as const, method: "notifications/progress" }));
    const exchange = [{ kind: "request" as const }, ...said, { kind: "response" as const, direction: "in" as const }];
    await recordAll(...exchange, { correlationId: "c2" }, ...exchange);
    const { items } = await list({ kind: "response" });
    for (const { id } of items) {
      const { frame: found, others } = await callRoute(messaging.routes, getFrame, { caller: ownerOf(tenantId), params: { id } });
      expect(found.id).toBe(id);
      expect(others).toHaveLength(99);
      expect(others.filter(({ kind }) => kind === "request").length).toBe(2);
      expect(others.map(({ at }) => at)).toEqual(others.map(({ at }) => at).toSorted());
    }
  });

  test("frameSearchMs: are not looked through for longer, and whoever asks is told what to ask for instead", async () => {
    await recordAll(...Array.from({ length: 200 }, () => ({ content: "y".repeat(60_000) })));
    const hurried = messagingOn(undefined, 5);
    await expect(callRoute(hurried.routes, listMessages, { caller: ownerOf(tenantId), query: { q: "nowhere" } })).rejects.toMatchObject({
      code: "frame_search_too_long",
      remedy: expect.stringContaining("since"),
    });
    expect(await list({ limit: "1" })).toMatchObject({ items: [{ method: "tools/call" }] });
  });

  test("refuse a cursor that was not given out", async () => {
    for (const cursor of ["x", Buffer.from('["2026-01-01",1]').toString("base64url")]) {
      await expect(list({ cursor })).rejects.toMatchObject({ code: "cursor_invalid" });
    }
  });

  test("are shown to their own tenant only", async () => {
    await recordAll({ method: "mine" });
    expect((await list({}, await db.secondTenant())).items).toEqual([]);
    await expect(db.database.asWorker((tx) => tx.query("select * from protocol_frames"))).rejects.toMatchObject({ code: "42501" });
    const [day] = await partitions();
    await expect(db.database.asTenant(tenantId, (tx) => tx.query(`select * from protocol_frames_${day}`))).rejects.toMatchObject({
      code: "42501",
    });
  });

  test("of a confidential run are stored encrypted and still shown", async () => {
    await recordAll({ content: "plain words" }, { content: "confidential words", step: { ...step, confidential: true } });
    const { rows } = await db.ownerPool.query<{ content: Buffer }>("select content from protocol_frames where tenant_id = $1 order by at", [
      tenantId,
    ]);
    expect(rows.map(({ content }) => content.includes("words"))).toEqual([true, false]);
    expect((await list()).items.map(({ content }) => content)).toEqual(["confidential words", "plain words"]);
  });

  test("hold no secret, and no more than the limit", async () => {
    await recordAll({ content: { key: "sk-canary-12345678", long: "y".repeat(100_000) }, to: "http://x/?k=sk-canary-12345678" });
    const [message] = (await list()).items;
    expect(message).toMatchObject({ truncated: true, to: "http://x/?k=[redacted]" });
    expect(JSON.stringify(message)).not.toContain("canary");
  });
});

describe("the days of frames", () => {
  test("are made ahead at start, and old ones go", async () => {
    const before = new Date(clock - 40 * DAY_MS).toISOString().slice(0, 10).replaceAll("-", "");
    const now = clock;
    clock -= 40 * DAY_MS;
    await recordAll({ method: "old" });
    clock = now;
    expect(await partitions()).toContain(before);
    // The database does not drop days that have not ended by its own clock, whatever ours says.
    await expect(messaging.start()).rejects.toThrow("frames of today and later");
    expect(await partitions()).toEqual(expect.arrayContaining(["20310504", "20310505", "20310512"]));
    await messaging.stop();
  });

  test("are dropped whole, once they ended long enough ago", async () => {
    clock = Date.now() - 5 * DAY_MS;
    await recordAll({ method: "old" });
    clock = Date.now();
    await recordAll({ method: "new" });
    expect(await methods()).toEqual(["new", "old"]);
    await messaging.start();
    await messaging.start();
    expect(await methods()).toEqual(["new"]);
    expect(await messaging.retainFrames(3)).toBe(0);
    await messaging.stop();
    clock = Date.UTC(2031, 4, 5, 12);
  });

  test("are made by whoever finds one missing, also two at once", async () => {
    clock = Date.UTC(2032, 0, 1);
    const other = messagingOn();
    other.frames.record(frame({ method: "theirs" }));
    await Promise.all([recordAll({ method: "ours" }), other.flush()]);
    expect((await methods()).toSorted()).toEqual(["ours", "theirs"]);
    expect(other.counts()).toEqual({ waiting: 0, written: 1, dropped: 0 });
  });

  test("are not made without bound", async () => {
    const make = db.database.asWorker((tx) => tx.query("select auterity_make_frame_days('2000-01-01', '2040-01-01')"));
    await expect(make).rejects.toThrow("at most a year");
    const drop = db.database.asTenant(tenantId, (tx) => tx.query("select auterity_drop_frame_days('2000-01-01')"));
    await expect(drop).rejects.toMatchObject({ code: "42501" });
  });
});

test("counts are offered as metrics", async () => {
  const registry = new Registry();
  messaging = messagingOn(registry);
  await recordAll({}, {});
  messaging.frames.record(frame());
  const text = await registry.metrics();
  expect(text).toContain("auterity_frames_written_total 2");
  expect(text).toContain("auterity_frames_dropped_total 0");
  expect(text).toContain("auterity_frames_waiting 1");
  await messaging.stop();
});
