import { LIMITS } from "#contract/limits.ts";
import type { Message, MessageFilter } from "#contract/messages.ts";
import { AppError } from "#server/kernel/errors.ts";
import { UUID, decodeCursor, toPage } from "#server/kernel/paging.ts";
import { sqlState } from "#server/kernel/pg-errors.ts";
import type { Database, FrameReader, Tx, ValueCodec } from "#server/kernel/ports.ts";
import { followFrames } from "./follow-frames.ts";
import { frameQuery, isAfter, toMessage, type FramePosition, type StoredFrame, type Wanted } from "./frame-query.ts";
import { rowName } from "./frame-row.ts";

const CURSOR = [/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, UUID] as const;
/** Before all others of its time. */
const FIRST_ID = "00000000-0000-0000-0000-000000000000";
const EXPORT_PAGE = 500;
/** A request, its answer, and as much of what was said about it in between. */
const MOST_OF_EXCHANGE = 100;

type Deps = {
  database: Database;
  codec: ValueCodec;
  now: () => Date;
  /** How long one look may take. */
  searchMs?: number | undefined;
};

export function frameReader(deps: Deps): FrameReader {
  const { database, codec, searchMs = LIMITS.frameSearchMs } = deps;
  // Some filters have no index: without a bound, a few of them would keep the database's connections for as long as they like.
  const look = async <T>(tenantId: string, fn: (tx: Tx) => Promise<T>): Promise<T> => {
    try {
      return await database.asTenant(tenantId, async (tx) => {
        await tx.query("select set_config('statement_timeout', $1, true)", [String(searchMs)]);
        return fn(tx);
      });
    } catch (thrown) {
      throw sqlState(thrown) === QUERY_CANCELED ? tooLong(searchMs, thrown) : thrown;
    }
  };
  const read = async (tenantId: string, wanted: Omit<Wanted, "tenantId">): Promise<Message[]> => {
    const { text, values } = frameQuery({ tenantId, ...wanted });
    const rows = await look(tenantId, (tx) => tx.query<StoredFrame>(text, values));
    await codec.prepare(tenantId);
    return rows.map((row) => toMessage(row, codec.decode(row.content, { tenantId, row: rowName(row.id) })));
  };
  return {
    list: async (tenantId, { limit, cursor, ...filter }) => {
      const order = filter.runId === undefined ? "desc" : "asc";
      const rows = await read(tenantId, { filter, order, after: positionOf(cursor), limit: limit + 1 });
      return toPage(rows, { limit, map: (message) => message, key: ({ at, id }) => [at, id] });
    },
    exchange: async (tenantId, id) => {
      const [row] = await database.asTenant(tenantId, (tx) =>
        tx.query<{ at: Date; correlation_id: string }>("select at, correlation_id from protocol_frames where id = $1", [id]),
      );
      if (row === undefined) return undefined;
      const [correlationId, at] = [row.correlation_id, row.at.toISOString()];
      const [frame] = await read(tenantId, { filter: { since: at }, ids: [id], order: "asc", limit: 1 });
      // What belongs to nothing, like most notifications, has no others.
      const stands = correlationId === "" || correlationId.endsWith(":");
      const nearest = stands ? [] : await read(tenantId, { filter: { correlationId }, order: { near: at }, limit: MOST_OF_EXCHANGE });
      const others = nearest.filter((message) => message.id !== id).toSorted((a, b) => (isAfter(a, b) ? 1 : -1));
      return frame && { frame, others };
    },
    all: (tenantId, filter) => allOf((after) => read(tenantId, { filter, order: "desc", after, limit: EXPORT_PAGE })),
    follow: (tenantId, { filter, after, signal }) =>
      followFrames({
        after: positionOf(after) ?? { at: deps.now().toISOString(), id: FIRST_ID },
        signal,
        look: (since, limit) =>
          look(tenantId, async (tx) => {
            const placesOf = async (filter: MessageFilter, most: number): Promise<FramePosition[]> => {
              const { text, values } = frameQuery({ tenantId, filter, order: "desc", limit: most, places: true });
              const rows = await tx.query<{ id: string; at: Date }>(text, values);
              return rows.map(({ id, at }) => ({ id, at: at.toISOString() }));
            };
            const [newest] = await placesOf({ since }, 1);
            return { newest: newest?.at, places: await placesOf({ ...filter, since }, limit) };
          }),
        read: (since, ids) => read(tenantId, { filter: { since }, ids, order: "asc", limit: ids.length }),
      }),
  };
}

/** PostgreSQL's word for a statement that took too long. */
const QUERY_CANCELED = "57014";

const tooLong = (ms: number, cause: unknown): AppError =>
  new AppError("frame_search_too_long", `No more than ${ms} ms are spent on one look among the frames; this one takes longer.`, { cause });

/** The position that a cursor stands for. Throws `cursor_invalid`. */
function positionOf(cursor: string | undefined): FramePosition | undefined {
  const [at, id] = decodeCursor(cursor, CURSOR) ?? [];
  return at === undefined || id === undefined ? undefined : { at, id };
}

async function* allOf(pageAfter: (after: FramePosition | undefined) => Promise<Message[]>): AsyncGenerator<Message> {
  let after: FramePosition | undefined;
  for (;;) {
    const page = await pageAfter(after);
    yield* page;
    if (page.length < EXPORT_PAGE) return;
    after = page.at(-1);
  }
}
