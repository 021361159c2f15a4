import type { ParentStep } from "#contract/journal.ts";
import type { AuditDraft, AuditDrafts, Database, Tx } from "../../kernel/ports.ts";
import { ArrayColumn } from "../../kernel/array-column.ts";

/** A run that is to be started, its values already encoded. */
export type NewRun = {
  id: string;
  tenantId: string;
  workflowId: string;
  workflowName: string;
  version: number;
  isConfidential: boolean;
  environment: string;
  input: Buffer;
  initiator: string;
  tags: readonly string[];
  parentRunId: string | null;
  parentStep: ParentStep | null;
  mode: "production" | "editor";
  /** Bodies of the first event, and of the claim when this process drives the run at once. */
  created: Buffer;
  idempotency: Idempotency | null;
};
export type Idempotency = { caller: string; key: string; requestHash: Buffer };

export type InsertedRun = { id: string; at: Date };
/** The first `count` runs belong to `owner` from the start; the others wait for a worker. `body`: that of the event that says so. */
export type Claim = { count: number; owner: string; leaseMs: number; body: Buffer };

/**
 * Runs with their first events and idempotency keys, in one statement. A run whose key is taken is left out, and so is
 * missing in the answer.
 */
export async function insertRuns(tx: Tx, runs: readonly NewRun[], claim: Claim): Promise<InsertedRun[]> {
  return tx.query<InsertedRun>(INSERT, valuesOf(runs, claim));
}

/**
 * The same together with the audit lines, all or nothing, in one round trip: the time of the runs and the time now in ms since
 * the epoch, or undefined when the trail has gone on meanwhile or a belief is wrong, and nothing was stored. A key that is taken is
 * a unique violation.
 */
export function insertRunsAtOnce(database: Database, audit: AuditDrafts): (start: AuditedStart) => Promise<StoredAt | undefined> {
  const text = insertText({
    before: `${BELIEF}, ${audit.sql(BELIEFS + 3, "(select holds from belief)")}, `,
    from: "from audit_head",
    onConflict: "",
    answer: `select ${msOf(NOW)}, ${msOf("clock_timestamp()")} from audit_head`,
  });
  return async ({ tenantId, runs, claim, believed, draft }) => {
    const values = [...valuesOf(runs, claim), ...believedColumns(believed), ...draft.values];
    const [row] = await database.statement(tenantId, { name: "start_runs", text, values });
    return row && { at: Number(row[0]), now: Number(row[1]) };
  };
}
export type AuditedStart = { tenantId: string; runs: readonly NewRun[]; claim: Claim; believed: readonly Believed[]; draft: AuditDraft };
export type StoredAt = { at: number; now: number };

/** Sub-selects are computed once a statement, calls once a row. */
const NOW = "(select date_trunc('milliseconds', now()))";
const msOf = (time: string): string => `(extract(epoch from ${time}) * 1000)::float8`;

const COLUMNS = [
  ["id", "uuid"],
  ["tenant_id", "uuid"],
  ["workflow_id", "uuid"],
  ["workflow_name", "text"],
  ["version", "int4"],
  ["confidential", "int4"],
  ["environment", "text"],
  ["input", "bytea"],
  ["initiator", "text"],
  ["tags", "text"],
  ["parent_run_id", "uuid"],
  ["created", "bytea"],
  ["caller", "text"],
  ["key", "text"],
  ["hash", "bytea"],
  ["claimed", "int4"],
  ["parent_step", "text"],
  ["mode", "text"],
] as const;
/** Numbers of the parameters after the columns. */
const [OWNER, LEASE_MS, BODY, BELIEFS] = [COLUMNS.length + 1, COLUMNS.length + 2, COLUMNS.length + 3, COLUMNS.length + 4];

/** A workflow that exists, with its name and newest version. */
export type Believed = { id: string; name: string; version: number };

const IS_SO = "w.id = b.id and w.name = b.name and w.version = b.version and w.deleted_at is null";
const BELIEF = `belief as (
    select not exists (select from unnest($${BELIEFS}::uuid[], $${BELIEFS + 1}::text[], $${BELIEFS + 2}::int4[]) as b (id, name, version)
      where not exists (select from workflows w where ${IS_SO})) as holds
  )`;

/** Those of them that are not so, or not so any more. */
export async function findOutdated(tx: Tx, believed: readonly Believed[]): Promise<Believed[]> {
  if (believed.length === 0) return [];
  return tx.query<Believed>(
    `select b.id, b.name, b.version from unnest($1::uuid[], $2::text[], $3::int4[]) as b (id, name, version)
     where not exists (select from workflows w where ${IS_SO})`,
    believedColumns(believed),
  );
}

function believedColumns(believed: readonly Believed[]): Buffer[] {
  const id = new ArrayColumn("uuid");
  const name = new ArrayColumn("text");
  const version = new ArrayColumn("int4");
  for (const belief of believed) {
    id.uuid(belief.id);
    name.text(belief.name);
    version.int4(belief.version);
  }
  return [id, name, version].map((column) => column.toBuffer());
}

type Variant = { before: string; from: string; onConflict: string; answer: string };

/** Keys in order, so that two batches wait for each other instead of dead-locking. */
function insertText({ before, from, onConflict, answer }: Variant): string {
  return `with ${before}given as materialized (
    select ${COLUMNS.map(([name, type], i) => `unnest($${i + 1}::${type}[]) as ${name}`).join(", ")} ${from}
  ), keys as (
    insert into idempotency_keys (tenant_id, caller, key, request_hash, run_id)
    select tenant_id, caller, key, hash, id from given where key is not null order by tenant_id, caller, key
    ${onConflict} returning run_id
  ), fresh as (
    select * from given where key is null or id in (select run_id from keys)
  ), rows as (
    insert into runs (id, tenant_id, workflow_id, workflow_name, version, status, confidential, environment, input, initiator, tags, parent_run_id, parent_step, mode,
      epoch, owner, lease_until, wake_at, created_at, started_at)
    select id, tenant_id, workflow_id, workflow_name, version, case claimed when 1 then 'running' else 'queued' end, confidential = 1, environment, input,
      initiator, case tags when '[]' then '{}' else array(select jsonb_array_elements_text(tags::jsonb)) end, parent_run_id,
      parent_step::jsonb, mode, claimed,
      case claimed when 1 then $${OWNER}::text end, case claimed when 1 then now() + $${LEASE_MS}::float8 * interval '1 ms' end,
      case claimed when 1 then null else now() end, ${NOW}, case claimed when 1 then ${NOW} end
    from fresh
  ), events as (
    insert into run_journal (run_id, seq, tenant_id, v, kind, scope, node_id, attempt, epoch, append_id, body, at)
    select id, 1, tenant_id, 1, 'run_created', '', null, 0, 0, 0, created, ${NOW} from fresh
    union all
    select id, 2, tenant_id, 1, 'run_claimed', '', null, 0, 1, 0, $${BODY}::bytea, ${NOW} from fresh where claimed = 1
  )
  ${answer}`;
}

const INSERT = insertText({ before: "", from: "", onConflict: "on conflict do nothing", answer: `select id, ${NOW} as at from fresh` });

const valuesOf = (runs: readonly NewRun[], { count, owner, leaseMs, body }: Claim): (Buffer | string)[] => [
  ...columns(runs, count),
  owner,
  String(leaseMs),
  body,
];

function columns(runs: readonly NewRun[], claimedCount: number): Buffer[] {
  const uuid = (pick: (run: NewRun) => string | null) =>
    fill("uuid", (column, run) => {
      const id = pick(run);
      column.uuid(id);
    });
  const text = (pick: (run: NewRun) => string | null) => fill("text", (column, run) => column.text(pick(run)));
  const int = (pick: (run: NewRun, i: number) => number) => fill("int4", (column, run, i) => column.int4(pick(run, i)));
  const bytea = (pick: (run: NewRun) => Buffer | null) => fill("bytea", (column, run) => column.bytes(pick(run)));
  const fill = (type: "uuid" | "text" | "int4" | "bytea", add: (column: ArrayColumn, run: NewRun, i: number) => void): Buffer => {
    const column = new ArrayColumn(type);
    for (const [i, run] of runs.entries()) add(column, run, i);
    return column.toBuffer();
  };
  return [
    uuid((run) => run.id),
    uuid((run) => run.tenantId),
    uuid((run) => run.workflowId),
    text((run) => run.workflowName),
    int((run) => run.version),
    int((run) => (run.isConfidential ? 1 : 0)),
    text((run) => run.environment),
    bytea((run) => run.input),
    text((run) => run.initiator),
    text((run) => JSON.stringify(run.tags)),
    uuid((run) => run.parentRunId),
    bytea((run) => run.created),
    text((run) => run.idempotency?.caller ?? null),
    text((run) => run.idempotency?.key ?? null),
    bytea((run) => run.idempotency?.requestHash ?? null),
    int((_run, i) => (i < claimedCount ? 1 : 0)),
    text((run) => run.parentStep && JSON.stringify(run.parentStep)),
    text((run) => run.mode),
  ];
}

export type KeyUse = { runId: string; requestHash: Buffer };
export type KeyName = { caller: string; key: string };

/** What these idempotency keys were used for, in their order. */
export async function findKeyUses(database: Database, tenantId: string, keys: readonly KeyName[]): Promise<(KeyUse | null)[]> {
  const callers = new ArrayColumn("text");
  const names = new ArrayColumn("text");
  for (const { caller, key } of keys) {
    callers.text(caller);
    names.text(key);
  }
  const rows = await database.statement(tenantId, { ...FIND_KEYS, values: [callers.toBuffer(), names.toBuffer()] });
  return rows.map(([runId, hash]) => (runId == null || hash == null ? null : { runId, requestHash: Buffer.from(hash, "hex") }));
}

const FIND_KEYS = {
  name: "find_keys",
  text: `select k.run_id, encode(k.request_hash, 'hex')
    from unnest($1::text[], $2::text[]) with ordinality as g (caller, key, place)
    left join idempotency_keys k on k.tenant_id = auterity_tenant() and k.caller = g.caller and k.key = g.key order by g.place`,
};
