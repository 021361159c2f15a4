import { connect } from "#server/postgres/connection.ts";
import { measure } from "../engine/auterity.ts";

const ROWS = 5_000_000;
const ROWS_PER_RUN = 20;
const AT_ONCE = 250_000;

/** What a step costs with five million rows in the journal, as a multiple of what it costs in an empty one. */
export async function measureFullJournal(url: string): Promise<number> {
  const options = { url, runs: 50, steps: 10, expression: "plain", classification: "normal", total: 3_000, singles: 1 } as const;
  const empty = await measure(options);
  await fill(url);
  const full = await measure(options);
  return empty.stepsPerSecond / full.stepsPerSecond;
}

/** Runs of the past: ids in the order of time, as UUIDv7 are, twenty events of 200 bytes each. */
async function fill(url: string): Promise<void> {
  const sql = await connect(url);
  try {
    for (let from = 0; from < ROWS; from += AT_ONCE) {
      await sql.query(
        `insert into run_journal (run_id, seq, tenant_id, v, kind, scope, node_id, attempt, epoch, append_id, body, at)
         select (lpad(to_hex(1700000000000 + n / ${ROWS_PER_RUN}), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
           n % ${ROWS_PER_RUN} + 1, '00000000-0000-7000-8000-000000000000', 1, 'step_succeeded', '', 'step', 1, 1, n % ${ROWS_PER_RUN}, $3::bytea, now()
         from generate_series($1::bigint, $2::bigint) n, md5((n / ${ROWS_PER_RUN})::text) hash`,
        [from, from + AT_ONCE - 1, Buffer.alloc(200, "x")],
      );
    }
    await sql.query("vacuum analyze run_journal");
  } finally {
    await sql.end();
  }
}
