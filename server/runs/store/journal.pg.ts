import type { EventKind, JournalEvent } from "#contract/journal.ts";
import { AppError } from "../../kernel/errors.ts";
import type { Tx, ValueCodec } from "../../kernel/ports.ts";
import { journalRowName } from "../driver/row-names.ts";

type JournalRow = {
  run_id: string;
  tenant_id: string;
  seq: number;
  v: number;
  kind: EventKind;
  scope: string;
  node_id: string | null;
  attempt: number;
  epoch: number;
  body: Buffer;
  at: Date;
};

export type JournalPosition = { runId: string; after: number; limit: number };

/** Events after a number, in order. The codec must be prepared for the tenant. */
export async function readEvents(tx: Tx, codec: ValueCodec, { runId, after, limit }: JournalPosition): Promise<JournalEvent[]> {
  const rows = await tx.query<JournalRow>(
    `select run_id, tenant_id, seq, v, kind, scope, node_id, attempt, epoch, body, at from run_journal
     where run_id = $1 and seq > $2 order by seq limit $3`,
    [runId, after, limit],
  );
  return rows.map((row) => fromRow(row, codec));
}

/** The open questions: steps whose last event of this family says that they are parked. */
export async function readQuestions(tx: Tx, codec: ValueCodec, runId: string): Promise<JournalEvent[]> {
  const rows = await tx.query<JournalRow>(
    `select distinct on (scope, node_id) run_id, tenant_id, seq, v, kind, scope, node_id, attempt, epoch, body, at from run_journal
     where run_id = $1 and kind in ('step_parked', 'step_answered', 'step_cancelled') order by scope, node_id, seq desc`,
    [runId],
  );
  return rows.filter(({ kind }) => kind === "step_parked").map((row) => fromRow(row, codec));
}

/** Every change of the run's context, in order: those from outside, and those by these nodes. */
export async function readPatches(
  tx: Tx,
  codec: ValueCodec,
  { runId, nodeIds }: { runId: string; nodeIds: readonly string[] },
): Promise<JournalEvent[]> {
  const rows = await tx.query<JournalRow>(
    `select run_id, tenant_id, seq, v, kind, scope, node_id, attempt, epoch, body, at from run_journal
     where run_id = $1 and (kind = 'context_patched' or (kind = 'step_succeeded' and node_id = any($2::text[]))) order by seq`,
    [runId, nodeIds],
  );
  return rows.map((row) => fromRow(row, codec));
}

/** When the run was moved to another version. */
export async function readMoves(tx: Tx, codec: ValueCodec, runId: string): Promise<JournalEvent[]> {
  const rows = await tx.query<JournalRow>(
    `select run_id, tenant_id, seq, v, kind, scope, node_id, attempt, epoch, body, at from run_journal
     where run_id = $1 and kind = 'version_moved' order by seq`,
    [runId],
  );
  return rows.map((row) => fromRow(row, codec));
}

function fromRow(row: JournalRow, codec: ValueCodec): JournalEvent {
  const event = {
    kind: row.kind,
    body: codec.decode(row.body, { tenantId: row.tenant_id, row: journalRowName(row.run_id, row.seq) }),
    seq: row.seq,
    v: row.v,
    scope: row.scope,
    nodeId: row.node_id,
    attempt: row.attempt,
    epoch: row.epoch,
    at: row.at.toISOString(),
  };
  if (!isKnownVersion(event))
    throw new AppError("internal", `Event ${row.seq} of run ${row.run_id} has version ${row.v}, which this build cannot read.`);
  return event;
}

/** Bodies were made by `EventPayload`'s types when they were written and are authenticated by the codec: they are not parsed again. */
function isKnownVersion(event: { v: number; seq: number }): event is JournalEvent {
  return event.v === 1;
}
