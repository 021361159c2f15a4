import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type pg from "pg";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import type { Append, Holder, JournalRow, Refusal } from "./append.ts";
import { uuidBytes } from "../../kernel/array-column.ts";
import { RoundTrip } from "../../kernel/round-trip.ts";
import type { BatchReport } from "./lane.ts";
import { createJournalWriter, type JournalWriter } from "./writer.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

const writers: JournalWriter[] = [];
afterEach(async () => {
  for (const writer of writers.splice(0)) await writer.stop();
});

type Options = {
  connectWorker?: () => Promise<pg.Client>;
  onBatch?: (batch: BatchReport) => void;
  lanes?: number;
  stopWithinMs?: number;
  answerMs?: number;
};
function writerWith({ connectWorker = () => db.connectWorker(), lanes = 1, ...rest }: Options = {}): JournalWriter {
  const writer = createJournalWriter({ connectWorker, log: silentLog, lanes, ...rest });
  writers.push(writer);
  return writer;
}

const holder = (over: Partial<Holder> & { id?: string } = {}): Holder => {
  const id = over.id ?? newId();
  return { id, idBytes: uuidBytes(id), tenantBytes: uuidBytes(db.tenantId), lane: 0, epoch: 1, ...over };
};
const row = (over: Partial<JournalRow> = {}): JournalRow => ({
  kind: "step_succeeded",
  scope: "",
  nodeId: "a",
  attempt: 1,
  body: Buffer.from("{}"),
  ...over,
});

type Result = { at: number } | Refusal;
type Wanted = Partial<Pick<Append, "end" | "consumed" | "appendId">> & { rows?: JournalRow[] };
const submit = (writer: JournalWriter, run: Holder, { firstSeq, ...wanted }: Wanted & { firstSeq: number }): Promise<Result> =>
  new Promise((resolve) =>
    writer.submit({
      holder: run,
      firstSeq,
      appendId: firstSeq,
      rows: [row()],
      ...wanted,
      onDurable: (at) => resolve({ at }),
      onRefused: resolve,
    }),
  );

async function stored(run: Holder): Promise<{ seq: number; epoch: number }[]> {
  const { rows } = await db.ownerPool.query<{ seq: number; epoch: number }>(
    "select seq, epoch from run_journal where run_id = $1 order by seq",
    [run.id],
  );
  return rows;
}
const writtenByOther = (run: Holder, seq: number, epoch: number) =>
  db.ownerPool.query(
    `insert into run_journal (run_id, seq, tenant_id, v, kind, scope, attempt, epoch, append_id, body, at)
     values ($1, $2, $3, 1, 'run_claimed', '', 0, $4, 0, '', now())`,
    [run.id, seq, db.tenantId, epoch],
  );

/** A connection on which the next journal statements meet with something, once each. */
type Fault = "lose_answer" | "lose_request" | "deadlock" | "read_only" | "disk_full";
const STATES: Partial<Record<Fault, string>> = { deadlock: "40P01", read_only: "25006", disk_full: "53100" };
function faulty(faults: Fault[]): () => Promise<pg.Client> {
  return async () => {
    const client = await db.connectWorker();
    const send = client.query.bind(client);
    const query = (sent: unknown): unknown => {
      if (!(sent instanceof RoundTrip)) return Reflect.apply(send, client, [sent]);
      const isAppend = sent.statements.some(({ name }) => name.startsWith("journal") && name !== "journal_owner");
      const fault = isAppend ? faults.shift() : undefined;
      if (fault === undefined) return send(sent);
      const code = STATES[fault];
      if (code !== undefined) sent.handleError(Object.assign(new Error(fault), { severity: "ERROR", code }));
      else if (fault === "lose_request") void loseConnection(client, sent);
      else {
        // Committed, but nobody hears of it.
        const real = new RoundTrip(...sent.statements);
        void real.rows.then(() => loseConnection(client, sent));
        send(real);
      }
      return sent;
    };
    return Object.assign(client, { query });
  };
}

async function loseConnection(client: pg.Client, waiting: RoundTrip): Promise<void> {
  await client.end();
  waiting.handleError(new Error("Connection terminated unexpectedly"));
}

test("a connection that neither answers nor breaks is given up, and nothing is stored twice", async () => {
  const blocker = await db.ownerPool.connect();
  try {
    let connections = 0;
    const writer = writerWith({
      answerMs: 200,
      connectWorker: () => {
        connections += 1;
        return db.connectWorker();
      },
    });
    const run = holder();
    expect(await submit(writer, run, { firstSeq: 1 })).toHaveProperty("at");
    await blocker.query("begin");
    await blocker.query("lock table run_journal in exclusive mode");
    const late = submit(writer, run, { firstSeq: 2 });
    while (connections < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    await blocker.query("rollback");
    expect(await late).toHaveProperty("at");
    expect((await stored(run)).map(({ seq }) => seq)).toEqual([1, 2]);
  } finally {
    blocker.release();
  }
});

describe("group commit", () => {
  test("what many runs append at once is stored in few statements, with the database's time", async () => {
    const batches: BatchReport[] = [];
    const writer = writerWith({ onBatch: (batch) => batches.push(batch), lanes: 2 });
    const runs = Array.from({ length: 100 }, () => holder({ lane: writer.nextLane() }));
    const results = await Promise.all(runs.flatMap((run) => [submit(writer, run, { firstSeq: 1 }), submit(writer, run, { firstSeq: 2 })]));
    expect(results.every((result) => "at" in result)).toBe(true);
    expect(batches.length).toBeLessThanOrEqual(4);
    expect(batches.reduce((sum, { rows }) => sum + rows, 0)).toBe(200);
    for (const run of runs)
      expect(await stored(run)).toEqual([
        { seq: 1, epoch: 1 },
        { seq: 2, epoch: 1 },
      ]);
  });

  test("more than one statement may hold goes in several, in order", async () => {
    const batches: BatchReport[] = [];
    const writer = writerWith({ onBatch: (batch) => batches.push(batch) });
    const run = holder();
    const rows = Array.from({ length: 900 }, () => row());
    await Promise.all([0, 1, 2, 3].map((i) => submit(writer, run, { firstSeq: 1 + i * 900, rows })));
    expect((await stored(run)).length).toBe(3_600);
    expect(batches.map(({ rows }) => rows)).toEqual([1_800, 1_800]);
  });

  test("every value arrives as it was given", async () => {
    const run = holder();
    const body = Buffer.from([0, 1, 255, 0]);
    const scope = `/each[17]/ünïcödé ${"x".repeat(400)}`;
    await submit(writerWith(), run, {
      firstSeq: 7,
      appendId: 3,
      rows: [row({ kind: "run_claimed", scope, nodeId: null, attempt: 0, body })],
    });
    const { rows } = await db.ownerPool.query("select * from run_journal where run_id = $1", [run.id]);
    expect(rows).toMatchObject([{ seq: 7, scope, node_id: null, attempt: 0, append_id: 3, epoch: 1, v: 1, tenant_id: db.tenantId, body }]);
  });
});

describe("one writer", () => {
  test("a run that another worker has taken over is lost, with all that it has queued; its neighbours are stored", async () => {
    const writer = writerWith();
    const zombie = holder();
    const neighbour = holder();
    await submit(writer, zombie, { firstSeq: 1 });
    await writtenByOther(zombie, 2, 2);
    const results = await Promise.all([
      submit(writer, neighbour, { firstSeq: 1 }),
      submit(writer, zombie, { firstSeq: 2 }),
      submit(writer, zombie, { firstSeq: 3 }),
    ]);
    expect(results).toMatchObject([{ at: expect.any(Number) }, { kind: "lost" }, { kind: "lost" }]);
    expect(await stored(zombie)).toEqual([
      { seq: 1, epoch: 1 },
      { seq: 2, epoch: 2 },
    ]);
    expect(await stored(neighbour)).toHaveLength(1);
  });

  test("a commit whose answer was lost is recognised as one's own", async () => {
    const writer = writerWith({ connectWorker: faulty(["lose_answer"]) });
    const [one, two] = [holder(), holder()];
    const results = await Promise.all([submit(writer, one, { firstSeq: 1 }), submit(writer, two, { firstSeq: 1, rows: [row(), row()] })]);
    expect(results).toMatchObject([{ at: expect.any(Number) }, { at: expect.any(Number) }]);
    expect(await stored(one)).toHaveLength(1);
    expect(await stored(two)).toHaveLength(2);
  });

  test("a batch that never arrived is sent again", async () => {
    const writer = writerWith({ connectWorker: faulty(["lose_request", "lose_request"]) });
    const run = holder();
    expect(await submit(writer, run, { firstSeq: 1 })).toMatchObject({ at: expect.any(Number) });
    expect(await stored(run)).toHaveLength(1);
  });

  test("a takeover while the answer was lost is recognised too", async () => {
    const writer = writerWith({ connectWorker: faulty(["lose_request"]) });
    const run = holder();
    await writtenByOther(run, 1, 2);
    expect(await submit(writer, run, { firstSeq: 1 })).toEqual({ kind: "lost" });
  });

  test("a deadlock is tried again", async () => {
    const writer = writerWith({ connectWorker: faulty(["deadlock", "deadlock"]) });
    expect(await submit(writer, holder(), { firstSeq: 1 })).toMatchObject({ at: expect.any(Number) });
  });

  test("a database that can store nothing at the moment is waited for", async () => {
    const writer = writerWith({ connectWorker: faulty(["read_only", "disk_full", "read_only"]) });
    const results = await Promise.all([submit(writer, holder(), { firstSeq: 1 }), submit(writer, holder(), { firstSeq: 1 })]);
    expect(results).toMatchObject([{ at: expect.any(Number) }, { at: expect.any(Number) }]);
  });

  test("stopping while the database can store nothing refuses what was not stored", async () => {
    const writer = writerWith({ connectWorker: faulty(Array.from({ length: 1_000 }, () => "read_only" as const)), stopWithinMs: 10 });
    const result = submit(writer, holder(), { firstSeq: 1 });
    await writer.stop();
    expect(await result).toMatchObject({ kind: "failed", error: { code: "unavailable" } });
  });

  test("a row that cannot be stored fails only its run", async () => {
    const writer = writerWith();
    const runs = [holder(), holder(), holder()];
    const results = await Promise.all(
      runs.map((run, i) => submit(writer, run, { firstSeq: 1, rows: i === 1 ? [row(), row({ scope: "\0" })] : [row()] })),
    );
    expect(results).toMatchObject([
      { at: expect.any(Number) },
      { kind: "failed", error: { code: "internal" } },
      { at: expect.any(Number) },
    ]);
    expect(await Promise.all(runs.map(async (run) => (await stored(run)).length))).toEqual([1, 0, 1]);
  });

  test("stopping while the database is away refuses what was not stored", async () => {
    const writer = writerWith({ connectWorker: () => Promise.reject(new Error("refused")), stopWithinMs: 10 });
    const result = submit(writer, holder(), { firstSeq: 1 });
    await writer.stop();
    expect(await result).toMatchObject({ kind: "failed", error: { code: "unavailable" } });
  });
});
