import type { EventDraft } from "#contract/journal.ts";
import { copyJson } from "#contract/parse-json.ts";
import { ArrayColumn } from "../../kernel/array-column.ts";
import type { Tx, ValueCodec } from "../../kernel/ports.ts";
import { journalRowName } from "../driver/row-names.ts";
import { insertRuns, type NewRun } from "./insert-runs.pg.ts";

/** How long a journal is, and how large its bodies are together. */
export async function measureJournal(tx: Tx, runId: string): Promise<{ events: number; bytes: number }> {
  const [row] = await tx.query<{ events: number; bytes: number }>(
    "select count(*)::int4 as events, coalesce(sum(octet_length(body)), 0)::float8 as bytes from run_journal where run_id = $1",
    [runId],
  );
  return row ?? { events: 0, bytes: 0 };
}

export type Fork = { run: NewRun; events: readonly EventDraft[] };

const BATCH_EVENTS = 1_000;

/** The run with its first event and those that it takes over, free for any worker. False when its idempotency key is taken. */
export async function storeFork(tx: Tx, codec: ValueCodec, { run, events }: Fork): Promise<boolean> {
  const stored = await insertRuns(tx, [run], { count: 0, owner: "", leaseMs: 0, body: Buffer.alloc(0) });
  if (stored.length === 0) return false;
  for (let from = 0; from < events.length; from += BATCH_EVENTS) {
    await insertEvents(tx, codec, { run, events: events.slice(from, from + BATCH_EVENTS), firstSeq: from + 2 });
  }
  return true;
}

const INSERT = `insert into run_journal (run_id, seq, tenant_id, v, kind, scope, node_id, attempt, epoch, append_id, body, at)
  select $1, $2 + row_number() over () - 1, $3, 1, e.kind, e.scope, e.node_id, e.attempt, 0, 0, e.body, date_trunc('milliseconds', now())
  from (select unnest($4::text[]) as kind, unnest($5::text[]) as scope, unnest($6::text[]) as node_id, unnest($7::int4[]) as attempt,
    unnest($8::bytea[]) as body) e`;

type Batch = Fork & { firstSeq: number };
async function insertEvents(tx: Tx, codec: ValueCodec, { run, events, firstSeq }: Batch): Promise<void> {
  const { id, tenantId, isConfidential: confidential } = run;
  const kind = new ArrayColumn("text");
  const scope = new ArrayColumn("text");
  const nodeId = new ArrayColumn("text");
  const attempt = new ArrayColumn("int4");
  const body = new ArrayColumn("bytea", 16_384);
  for (const [i, event] of events.entries()) {
    kind.text(event.kind);
    scope.text(event.scope);
    nodeId.text(event.nodeId);
    attempt.int4(event.attempt);
    body.bytes(codec.encode(copyJson(event.body), { tenantId, row: journalRowName(id, firstSeq + i), confidential }));
  }
  const columns = [kind, scope, nodeId, attempt, body].map((column) => column.toBuffer());
  await tx.query(INSERT, [id, firstSeq, tenantId, ...columns]);
}
