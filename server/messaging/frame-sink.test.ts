import { describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import { JsonText, type Frame, type Redactor, type ValueCodec } from "#server/kernel/ports.ts";
import { cleaner, toFrameRow, toWaiting, type FrameRow } from "./frame-row.ts";
import { BatchingSink } from "./frame-sink.ts";
import type { FrameStore } from "./frame-store.ts";

const codec: ValueCodec = {
  encode: (value) => Buffer.from(JSON.stringify(value)),
  encodeText: (text) => Buffer.from(text),
  decode: (bytes) => JSON.parse(bytes.toString()),
  prepare: async () => {},
};
const redactor: Redactor = {
  text: (value) => value.replaceAll("hunter2", "[redacted]"),
  json: (value) => {
    const text = JSON.stringify(value);
    return text.includes("hunter2") ? JSON.parse(text.replaceAll("hunter2", "[redacted]")) : value;
  },
};
const frame = (over: Partial<Frame> = {}): Frame => ({
  tenantId: newId(),
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

class DatabaseError extends Error {
  readonly severity = "ERROR";
  readonly code: string;
  constructor(code: string) {
    super(`failed with ${code}`);
    this.code = code;
  }
}

/** Keeps rows; fails as told, first come first served. */
function memoryStore(refuse: (rows: readonly FrameRow[]) => Error | undefined = () => undefined) {
  const batches: FrameRow[][] = [];
  const store: FrameStore = {
    prepare: async () => {},
    insert: async (rows) => {
      const error = refuse(rows);
      if (error) throw error;
      batches.push([...rows]);
    },
    makeDays: async () => {},
    dropDays: async () => 0,
  };
  return { store, batches, methods: () => batches.flat().map(({ method }) => method) };
}

const sinkOn = (store: FrameStore) => new BatchingSink({ store, redactor, codec, log: silentLog, newId, now: () => new Date() });

describe("a frame becomes a row", () => {
  const rowOf = (of: Frame): FrameRow => toFrameRow(toWaiting(of, new Date()), { id: newId(), clean: cleaner(redactor), redactor, codec });

  test("without secrets, also in its own fields", () => {
    const row = rowOf(frame({ to: "http://x?k=hunter2", content: { a: "hunter2" } }));
    expect(row).toMatchObject({ to: "http://x?k=[redacted]", truncated: false });
    expect(row.body.toString()).toBe('{"a":"[redacted]"}');
  });

  test("keeps content up to the limit and shortens what is longer", () => {
    const just = "x".repeat(LIMITS.frameBytes - 2);
    expect(rowOf(frame({ content: just }))).toMatchObject({ truncated: false, sizeBytes: LIMITS.frameBytes });
    const long = rowOf(frame({ content: `${just}x` }));
    expect(long).toMatchObject({ truncated: true, sizeBytes: LIMITS.frameBytes + 1 });
    expect(codec.decode(long.body, { tenantId: "", row: "" })).toBe(`"${just}x`);
  });

  test("cuts between characters", () => {
    const row = rowOf(frame({ content: `a${"🚗".repeat(LIMITS.frameBytes / 4)}` }));
    expect(row.truncated).toBe(true);
    expect(row.body.toString()).toMatch(/^"\\"a🚗+"$/u);
  });

  test.each([
    ["as it is", String.raw`{"a":"say hunter2"}`],
    ["with an escape beside it", String.raw`{"a":"say\nhunter2"}`],
    ["written in escapes", String.raw`{"a":"\u0068unter2"}`],
  ])("from the text of the wire: the secret %s", (_how, text) => {
    const row = rowOf(frame({ content: new JsonText(text) }));
    expect(row).toMatchObject({ redacted: true, sizeBytes: Buffer.byteLength(text) });
    expect(JSON.stringify(codec.decode(row.body, { tenantId: "", row: "" }))).not.toContain("hunter2");
  });

  test("as it came, when there is nothing to hide", () => {
    const text = '{ "a": 1.0, "b": "\\u00e9" }';
    const row = rowOf(frame({ content: new JsonText(text) }));
    expect({ redacted: row.redacted, body: row.body.toString() }).toEqual({ redacted: false, body: text });
  });

  test("redacts before it shortens, so that no half of a secret stays at the cut", () => {
    const row = rowOf(frame({ content: `${"x".repeat(LIMITS.frameBytes - 5)}hunter2${"x".repeat(100)}` }));
    expect(row.body.toString()).not.toContain("hunt");
  });

  test("gives the database only what it can store", () => {
    const row = rowOf(
      frame({ method: "a\0b\ud800", correlationId: "c".repeat(1_000), step: { runId: "not a uuid", scope: "", nodeId: "n", attempt: 1 } }),
    );
    expect(row).toMatchObject({ method: "a\uFFFDb\uFFFD", step: undefined });
    expect(row.correlationId).toHaveLength(LIMITS.idempotencyKeyChars);
  });
});

describe("the frame sink", () => {
  test("writes in batches, in order", async () => {
    const { store, batches, methods } = memoryStore();
    const sink = sinkOn(store);
    for (let i = 0; i < 1050; i++) sink.record(frame({ method: `m${i}` }));
    await sink.flush();
    expect(batches.map((batch) => batch.length)).toEqual([500, 500, 50]);
    expect(methods()).toEqual(Array.from({ length: 1050 }, (_, i) => `m${i}`));
    expect(sink.counts()).toEqual({ waiting: 0, written: 1050, dropped: 0 });
  });

  test("writes by itself after a moment", async () => {
    const { store, batches } = memoryStore();
    sinkOn(store).record(frame());
    await expect.poll(() => batches.length).toBe(1);
  });

  test("writes by itself also after a flush that had nothing to do", async () => {
    const { store, batches } = memoryStore();
    const sink = sinkOn(store);
    await sink.flush();
    sink.record(frame());
    await expect.poll(() => batches.length).toBe(1);
  });

  test("does not see what the sender changes afterwards", async () => {
    const { store, batches } = memoryStore();
    const sink = sinkOn(store);
    const content = { step: "before" };
    sink.record(frame({ content }));
    content.step = "after";
    await sink.flush();
    expect(batches[0]?.[0]?.body.toString()).toContain("before");
  });

  test("keeps frames while the database is away and writes them in order once it is back", async () => {
    let away = true;
    const { store, methods } = memoryStore(() => (away ? new Error("connection refused") : undefined));
    const sink = sinkOn(store);
    for (const method of ["a", "b", "c"]) sink.record(frame({ method }));
    await sink.flush();
    expect(sink.counts()).toEqual({ waiting: 3, written: 0, dropped: 0 });
    sink.record(frame({ method: "d" }));
    away = false;
    await expect.poll(methods).toEqual(["a", "b", "c", "d"]);
  });

  test("loses only the frame that the database refuses for its content", async () => {
    const { store, methods } = memoryStore((rows) =>
      rows.some(({ method }) => method === "bad") ? new DatabaseError("22P02") : undefined,
    );
    const sink = sinkOn(store);
    for (const method of ["a", "bad", "b"]) sink.record(frame({ method }));
    await sink.flush();
    expect(methods()).toEqual(["a", "b"]);
    expect(sink.counts()).toEqual({ waiting: 0, written: 2, dropped: 1 });
  });

  test("keeps the rest when the connection breaks in between", async () => {
    let calls = 0;
    const { store, methods } = memoryStore((rows) => {
      calls += 1;
      if (rows.length > 1) return new DatabaseError("23502");
      return calls === 3 ? new Error("connection lost") : undefined;
    });
    const sink = sinkOn(store);
    for (const method of ["a", "b", "c"]) sink.record(frame({ method }));
    await sink.flush();
    expect(sink.counts()).toEqual({ waiting: 2, written: 1, dropped: 0 });
    await sink.stop();
    expect(methods()).toEqual(["a", "b", "c"]);
  });

  test("drops and counts what does not fit any more", async () => {
    const { store } = memoryStore(() => new Error("away"));
    const sink = sinkOn(store);
    for (let i = 0; i < LIMITS.framesWaiting + 5; i++) sink.record(frame());
    expect(sink.counts()).toEqual({ waiting: LIMITS.framesWaiting, written: 0, dropped: 5 });
    await sink.stop();
    expect(sink.counts()).toEqual({ waiting: 0, written: 0, dropped: LIMITS.framesWaiting + 5 });
  });

  test("tells in a frame of its own how many it has dropped", async () => {
    let away = true;
    const { store, batches } = memoryStore(() => (away ? new Error("away") : undefined));
    const sink = sinkOn(store);
    const { tenantId } = frame();
    for (let i = 0; i < LIMITS.framesWaiting + 7; i++) sink.record(frame({ tenantId }));
    away = false;
    await sink.flush();
    const last = batches.at(-1)?.at(-1);
    expect(last).toMatchObject({ tenantId, method: "auterity/frames_dropped", kind: "notification" });
    expect(last?.body.toString()).toBe('{"dropped":7}');
  });

  test("framesWaitingBytes: as many bytes may wait and are all written; a frame beyond them is counted and told of", async () => {
    let away = true;
    const { store, methods } = memoryStore(() => (away ? new Error("away") : undefined));
    const sink = sinkOn(store);
    const { tenantId } = frame();
    const content = "x".repeat(LIMITS.frameBytes - 2);
    const most = LIMITS.framesWaitingBytes / LIMITS.frameBytes;
    for (let i = 0; i < most; i++) sink.record(frame({ tenantId, content, method: `m${i}` }));
    expect(sink.counts()).toEqual({ waiting: most, written: 0, dropped: 0 });
    sink.record(frame({ tenantId, content: 1, method: "beyond" }));
    expect(sink.counts()).toEqual({ waiting: most, written: 0, dropped: 1 });
    away = false;
    await sink.flush();
    expect(methods()).toEqual([...Array.from({ length: most }, (_, i) => `m${i}`), "auterity/frames_dropped"]);
    sink.record(frame({ tenantId, content, method: "afterwards" }));
    await sink.flush();
    expect(methods().at(-1)).toBe("afterwards");
  });

  test("never throws at the exchange that it records", async () => {
    const { store } = memoryStore();
    const sink = sinkOn(store);
    let deep: Frame["content"] = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    sink.record(frame({ content: deep }));
    expect(sink.counts().dropped).toBe(1);
  });

  test("takes nothing after its last flush", async () => {
    const { store, methods } = memoryStore();
    const sink = sinkOn(store);
    sink.record(frame({ method: "last" }));
    await sink.stop();
    sink.record(frame({ method: "late" }));
    await sink.flush();
    expect(methods()).toEqual(["last"]);
  });
});
