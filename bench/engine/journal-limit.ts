import { ArrayColumn, uuidBytes } from "#server/kernel/array-column.ts";
import { newId } from "#server/kernel/ids.ts";
import { openPlatform } from "./platform.ts";
import { keepGoing } from "./run-many.ts";

export type LimitOptions = { url: string; runs: number; steps: number; total?: number; lanes?: number };

/** What is written of a run at once. `begins`: its row too; `ends`: its row changes too. */
type Write = { runId: Buffer; firstSeq: number; rows: readonly Row[]; begins: boolean; ends: boolean; done: () => void };
type Row = { kind: string; nodeId: string | null; body: Buffer };

const BATCH_WRITES = 2_000;
const SETTINGS = `set plan_cache_mode = force_generic_plan; set jit = off;
  set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set enable_bitmapscan = off`;
const TEXT = `with journal as (
    insert into run_journal (run_id, seq, tenant_id, v, kind, scope, node_id, attempt, epoch, append_id, body, at)
    select unnest($1::uuid[]), unnest($2::int4[]), $3::uuid, 1, unnest($4::text[]), '', unnest($5::text[]), 1, 1, unnest($6::int4[]),
      unnest($7::bytea[]), now()
  ), begun as (
    insert into runs (id, tenant_id, workflow_id, workflow_name, version, status, input, initiator, epoch, owner, lease_until, started_at)
    select unnest($8::uuid[]), $3::uuid, $9::uuid, 'Chain of 10', 1, 'running', $10::bytea, 'system:bench', 1, 'bench', now() + interval '1 hour', now()
  ), ended as (
    update runs set status = 'succeeded', output = $11::bytea, finished_at = now(), owner = null, lease_until = null
    from (select unnest($12::uuid[]) as id) e where runs.id = e.id
  ) select 1`;

const body = (value: unknown): Buffer => Buffer.from(`\0${JSON.stringify(value)}`);
const WORKFLOW = uuidBytes(newId());
const INPUT = body({ value: 0 });
const OUTPUT = body(10);
const CREATED: Row = {
  kind: "run_created",
  nodeId: null,
  body: body({ workflowId: newId(), version: 1, input: { value: 0 }, initiator: "system:bench" }),
};
const STEP: Row = { kind: "step_succeeded", nodeId: "step9", body: body({ output: 10, handle: "success" }) };
const SUCCEEDED: Row = { kind: "run_succeeded", nodeId: null, body: body({ output: 10 }) };

/**
 * The most that this journal can reach on this database, as steps per second: the yardstick for the executor. It writes what a
 * run of so many steps has to leave behind at the very least, to the same tables with the same indexes: its row and first event
 * before anything else; one event per step, on disk before the next is sent, of the size that the benchmark's steps have; and
 * with the last step the run's last event and the change of its row. Group commit over all runs, several lanes, nothing else: no
 * engine, no claim, no redaction, no audit line, no idempotency, no other writer to be kept out.
 */
export async function measureLimit({ url, runs, steps, total = Math.max(2_000, runs * 40), lanes = 2 }: LimitOptions): Promise<number> {
  const platform = await openPlatform(url);
  const tenantId = uuidBytes(platform.tenantId);
  const writers = await Promise.all(Array.from({ length: lanes }, async () => laneOf(await platform.postgres.connectWorker(), tenantId)));
  try {
    const chain = async (lane: number): Promise<void> => {
      const runId = uuidBytes(newId());
      const write = (part: Pick<Write, "firstSeq" | "rows"> & { begins?: boolean; ends?: boolean }): Promise<void> =>
        new Promise<void>((done) => writers[lane % lanes]?.add({ runId, begins: false, ends: false, ...part, done }));
      await write({ firstSeq: 1, rows: [CREATED], begins: true });
      for (let step = 1; step < steps; step += 1) await write({ firstSeq: step + 1, rows: [STEP] });
      await write({ firstSeq: steps + 1, rows: [STEP, SUCCEEDED], ends: true });
    };
    let next = 0;
    const run = (): Promise<void> => chain((next += 1));
    await keepGoing(run, { runs, total: Math.ceil(total / 10) });
    const began = performance.now();
    await keepGoing(run, { runs, total });
    return (total * steps) / ((performance.now() - began) / 1_000);
  } finally {
    await Promise.all(writers.map((writer) => writer.end()));
    await platform.close();
  }
}

type Connection = Awaited<ReturnType<Awaited<ReturnType<typeof openPlatform>>["postgres"]["connectWorker"]>>;

function laneOf(connection: Connection, tenantId: Buffer): { add: (write: Write) => void; end: () => Promise<void> } {
  let queue: Write[] = [];
  let isBusy = false;
  const ready = connection.query(SETTINGS);
  const flush = async (): Promise<void> => {
    await ready;
    while (queue.length > 0) {
      const batch = queue.slice(0, BATCH_WRITES).sort((a, b) => a.runId.compare(b.runId));
      queue = queue.slice(BATCH_WRITES);
      await connection.query({ name: "limit", text: TEXT, values: valuesOf(batch, tenantId) });
      for (const { done } of batch) done();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    isBusy = false;
  };
  return {
    add: (write) => {
      queue.push(write);
      if (isBusy) return;
      isBusy = true;
      setImmediate(() => void flush());
    },
    end: () => connection.end(),
  };
}

function valuesOf(batch: readonly Write[], tenantId: Buffer): Buffer[] {
  const runId = new ArrayColumn("uuid");
  const seq = new ArrayColumn("int4");
  const kind = new ArrayColumn("text");
  const nodeId = new ArrayColumn("text");
  const appendId = new ArrayColumn("int4");
  const bodies = new ArrayColumn("bytea");
  const begun = new ArrayColumn("uuid");
  const ended = new ArrayColumn("uuid");
  for (const write of batch) {
    for (const [i, row] of write.rows.entries()) {
      runId.bytes(write.runId);
      seq.int4(write.firstSeq + i);
      kind.text(row.kind);
      nodeId.text(row.nodeId);
      appendId.int4(write.firstSeq);
      bodies.bytes(row.body);
    }
    if (write.begins) begun.bytes(write.runId);
    if (write.ends) ended.bytes(write.runId);
  }
  const [runIds, seqs, kinds, nodeIds, appendIds, texts] = [runId, seq, kind, nodeId, appendId, bodies].map((column) => column.toBuffer());
  const all = [runIds, seqs, tenantId, kinds, nodeIds, appendIds, texts, begun.toBuffer(), WORKFLOW, INPUT, OUTPUT, ended.toBuffer()];
  return all.filter((value) => value !== undefined);
}
