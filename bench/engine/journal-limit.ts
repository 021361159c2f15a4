import { newId } from "#server/kernel/ids.ts";
import { openPlatform } from "./platform.ts";

type Row = { runId: string; seq: number; done: () => void };
export type LimitOptions = { url: string; runs: number; steps: number; total?: number; lanes?: number };

const BATCH_ROWS = 2_000;
const SETTINGS = "set plan_cache_mode = force_generic_plan; set jit = off; set enable_seqscan = off";
const INSERT = `insert into run_journal (run_id, seq, tenant_id, v, kind, scope, node_id, attempt, epoch, append_id, body, at)
  select run_id, seq, tenant_id, 1, kind, scope, node_id, attempt, epoch, append_id, body, now()
  from unnest($1::uuid[], $2::int4[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int4[], $8::int4[], $9::int4[], $10::bytea[])
    as r (run_id, seq, tenant_id, kind, scope, node_id, attempt, epoch, append_id, body)`;
/** As long as what a step of the benchmark's chains stores. */
const BODY = Buffer.from('{"output":10,"handle":"success"}');

/**
 * The most that a journal can reach on this database: chains of rows, each committed before the next of its chain is sent,
 * group commit over all chains, and nothing else: no engine, no starts, no ends. The yardstick for the executor.
 */
export async function measureLimit({ url, runs, steps, total = Math.max(1_000, runs * 20), lanes = 2 }: LimitOptions): Promise<number> {
  const platform = await openPlatform(url);
  const writers = await Promise.all(
    Array.from({ length: lanes }, async () => laneOf(await platform.postgres.connectWorker(), platform.tenantId)),
  );
  try {
    const chain = async (lane: number): Promise<void> => {
      const runId = newId();
      for (let seq = 1; seq <= steps; seq += 1) await new Promise<void>((done) => writers[lane % lanes]?.add({ runId, seq, done }));
    };
    const go = async (count: number): Promise<void> => {
      let left = count;
      const worker = async (_: unknown, lane: number): Promise<void> => {
        while (left > 0) {
          left -= 1;
          await chain(lane);
        }
      };
      await Promise.all(Array.from({ length: Math.min(runs, count) }, worker));
    };
    await go(Math.ceil(total / 10));
    const began = performance.now();
    await go(total);
    return (total * steps) / ((performance.now() - began) / 1_000);
  } finally {
    await Promise.all(writers.map((writer) => writer.end()));
    await platform.close();
  }
}

type Connection = Awaited<ReturnType<Awaited<ReturnType<typeof openPlatform>>["postgres"]["connectWorker"]>>;

function laneOf(connection: Connection, tenantId: string): { add: (row: Row) => void; end: () => Promise<void> } {
  let queue: Row[] = [];
  let isBusy = false;
  const ready = connection.query(SETTINGS);
  const flush = async (): Promise<void> => {
    await ready;
    while (queue.length > 0) {
      const batch = queue.slice(0, BATCH_ROWS).sort((a, b) => (a.runId < b.runId ? -1 : 1));
      queue = queue.slice(BATCH_ROWS);
      await connection.query({ name: "limit", text: INSERT, values: columns(batch, tenantId) });
      for (const { done } of batch) done();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    isBusy = false;
  };
  return {
    add: (row) => {
      queue.push(row);
      if (isBusy) return;
      isBusy = true;
      setImmediate(() => void flush());
    },
    end: () => connection.end(),
  };
}

/** Every column of every row, as a journal has to store it. */
function columns(batch: readonly Row[], tenantId: string): unknown[][] {
  const same = (value: unknown): unknown[] => batch.map(() => value);
  const seq = batch.map((row) => row.seq);
  return [
    batch.map(({ runId }) => runId),
    seq,
    same(tenantId),
    same("step_succeeded"),
    same(""),
    same("step"),
    same(1),
    same(1),
    seq,
    same(BODY),
  ];
}
