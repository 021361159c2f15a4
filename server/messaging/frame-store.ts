import { sqlState } from "#server/kernel/pg-errors.ts";
import type { Database, ValueCodec } from "#server/kernel/ports.ts";
import { INSERT_FRAMES, frameColumns } from "./frame-columns.ts";
import type { FrameRow } from "./frame-row.ts";

const DAY_MS = 86_400_000;
/** Days made ahead, so that a worker whose daily task fails for a while still finds its partition. */
const DAYS_AHEAD = 7;

export type FrameStore = {
  /** Must be awaited before frames of confidential runs of this tenant are encoded. */
  prepare(tenantId: string): Promise<void>;
  /** All rows or none. Makes missing days. One at a time. */
  insert(rows: readonly FrameRow[]): Promise<void>;
  /** Makes the partitions of yesterday to a week from `now`. */
  makeDays(now: Date): Promise<void>;
  /** Drops whole days that ended more than `days` days before `now`; answers how many. */
  dropDays(now: Date, days: number): Promise<number>;
};

export function frameStore({ database, codec }: { database: Database; codec: ValueCodec }): FrameStore {
  const toColumns = frameColumns();
  const makeDays = (first: number, last: number): Promise<unknown> =>
    database.asWorker((tx) => tx.query("select auterity_make_frame_days($1, $2)", [day(first), day(last)]));

  const insert = (columns: readonly Buffer[]): Promise<unknown> =>
    database.asWorker((tx) => tx.query(INSERT_FRAMES, columns, "insert_frames"));

  return {
    prepare: (tenantId) => codec.prepare(tenantId),
    insert: async (rows) => {
      const columns = toColumns(rows);
      try {
        await insert(columns);
      } catch (error) {
        if (!isMissingPartition(error)) throw error;
        const times = rows.map(({ at }) => at.getTime());
        await makeDays(Math.min(...times), Math.max(...times));
        await insert(columns);
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
