import { sqlState } from "#server/kernel/pg-errors.ts";
import type { Database, Tx, ValueCodec } from "#server/kernel/ports.ts";
import { rowName, type FrameRow } from "./frame-row.ts";

const DAY_MS = 86_400_000;
/** Days made ahead, so that a worker whose daily task fails for a while still finds its partition. */
const DAYS_AHEAD = 7;

export type FrameStore = {
  /** All rows or none. Makes missing days. */
  insert(rows: readonly FrameRow[]): Promise<void>;
  /** Makes the partitions of yesterday to a week from `now`. */
  makeDays(now: Date): Promise<void>;
  /** Drops whole days that ended more than `days` days before `now`; answers how many. */
  dropDays(now: Date, days: number): Promise<number>;
};

export function frameStore({ database, codec }: { database: Database; codec: ValueCodec }): FrameStore {
  const makeDays = (first: number, last: number): Promise<unknown> =>
    database.asWorker((tx) => tx.query("select auterity_make_frame_days($1, $2)", [day(first), day(last)]));

  return {
    insert: async (rows) => {
      const stored = await Promise.all(rows.map((row) => sealed(row, codec)));
      try {
        await database.asWorker((tx) => insertRows(tx, stored));
      } catch (error) {
        if (!isMissingPartition(error)) throw error;
        const times = rows.map(({ at }) => at.getTime());
        await makeDays(Math.min(...times), Math.max(...times));
        await database.asWorker((tx) => insertRows(tx, stored));
      }
    },
    makeDays: async (now) => void (await makeDays(now.getTime() - DAY_MS, now.getTime() + DAYS_AHEAD * DAY_MS)),
    dropDays: async (now, days) => {
      const before = day(now.getTime() - days * DAY_MS);
      const rows = await database.asWorker((tx) =>
        tx.query<{ dropped: number }>("select auterity_drop_frame_days($1) as dropped", [before]),
      );
      return rows[0]?.dropped ?? 0;
    },
  };
}

const day = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** PostgreSQL reports a row without a partition as a failed check, in so many words. */
const isMissingPartition = (error: unknown): boolean =>
  sqlState(error) === "23514" && error instanceof Error && !("constraint" in error && error.constraint !== undefined);

async function sealed(row: FrameRow, codec: ValueCodec): Promise<FrameRow> {
  if (row.step?.confidential !== true) return row;
  await codec.prepare(row.tenantId);
  const at = { tenantId: row.tenantId, row: rowName(row.id) };
  return { ...row, body: codec.encode(codec.decode(row.body, at), { ...at, confidential: true }) };
}

/** Column, type, and where its value comes from: one array per column, one statement per batch. */
const COLUMNS: readonly (readonly [name: string, type: string, value: (row: FrameRow) => unknown])[] = [
  ["id", "uuid", (row) => row.id],
  ["at", "timestamptz", (row) => row.at],
  ["tenant_id", "uuid", (row) => row.tenantId],
  ["protocol", "text", (row) => row.protocol],
  ["direction", "text", (row) => row.direction],
  ["kind", "text", (row) => row.kind],
  ["method", "text", (row) => row.method],
  ["sender", "text", (row) => row.from],
  ["recipient", "text", (row) => row.to],
  ["correlation_id", "text", (row) => row.correlationId],
  ["run_id", "uuid", (row) => row.step?.runId ?? null],
  ["scope", "text", (row) => row.step?.scope ?? null],
  ["node_id", "text", (row) => row.step?.nodeId ?? null],
  ["attempt", "integer", (row) => row.step?.attempt ?? null],
  ["size_bytes", "integer", (row) => row.sizeBytes],
  ["latency_ms", "double precision", (row) => row.latencyMs ?? null],
  ["truncated", "boolean", (row) => row.truncated],
  ["content", "bytea", (row) => row.body],
];
const INSERT = `insert into protocol_frames (${COLUMNS.map(([name]) => name).join(", ")})
  select * from unnest(${COLUMNS.map(([, type], i) => `$${i + 1}::${type}[]`).join(", ")})`;

const insertRows = async (tx: Tx, rows: readonly FrameRow[]): Promise<void> => {
  await tx.query(
    INSERT,
    COLUMNS.map(([, , value]) => rows.map(value)),
  );
};
