import type { Page, PageQuery } from "#contract/common.ts";
import type { Message, Protocol } from "#contract/messages.ts";
import { UUID, decodeCursor, toPage } from "#server/kernel/paging.ts";
import type { Database, ValueCodec } from "#server/kernel/ports.ts";
import { rowName } from "./frame-row.ts";

export type MessageFilter = PageQuery & { runId?: string; nodeId?: string; protocol?: Protocol; correlationId?: string };

type Row = {
  id: string;
  at: Date;
  protocol: Protocol;
  direction: Message["direction"];
  kind: Message["kind"];
  method: string;
  sender: string;
  recipient: string;
  correlation_id: string;
  run_id: string | null;
  scope: string | null;
  node_id: string | null;
  attempt: number | null;
  size_bytes: number;
  latency_ms: number | null;
  truncated: boolean;
  content: Buffer;
};

const CURSOR = [/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, UUID] as const;

/** Oldest first within a run, else newest first; equal times in the order of recording. */
export const listMessages =
  ({ database, codec }: { database: Database; codec: ValueCodec }) =>
  async (tenantId: string, filter: MessageFilter): Promise<Page<Message>> => {
    const [at = null, id = null] = decodeCursor(filter.cursor, CURSOR) ?? [];
    const oldestFirst = filter.runId !== undefined;
    const rows = await database.asTenant(tenantId, (tx) =>
      tx.query<Row>(oldestFirst ? OLDEST_FIRST : NEWEST_FIRST, [
        tenantId,
        filter.runId ?? null,
        filter.nodeId ?? null,
        filter.protocol ?? null,
        filter.correlationId ?? null,
        at,
        id,
        filter.limit + 1,
      ]),
    );
    await codec.prepare(tenantId);
    return toPage(rows, {
      limit: filter.limit,
      map: (row) => fromRow(row, codec.decode(row.content, { tenantId, row: rowName(row.id) })),
      key: (row) => [row.at.toISOString(), row.id],
    });
  };

const SELECT = `
  select id, at, protocol, direction, kind, method, sender, recipient, correlation_id, run_id, scope, node_id, attempt,
         size_bytes, latency_ms, truncated, content
  from protocol_frames
  where tenant_id = $1
    and ($2::uuid is null or run_id = $2)
    and ($3::text is null or node_id = $3)
    and ($4::text is null or protocol = $4)
    and ($5::text is null or correlation_id = $5)`;
const OLDEST_FIRST = `${SELECT} and ($6::timestamptz is null or (at, id) > ($6, $7::uuid)) order by at, id limit $8`;
const NEWEST_FIRST = `${SELECT} and ($6::timestamptz is null or (at, id) < ($6, $7::uuid)) order by at desc, id desc limit $8`;

const fromRow = (row: Row, content: Message["content"]): Message => ({
  id: row.id,
  at: row.at.toISOString(),
  protocol: row.protocol,
  direction: row.direction,
  kind: row.kind,
  method: row.method,
  from: row.sender,
  to: row.recipient,
  correlationId: row.correlation_id,
  runId: row.run_id,
  scope: row.scope,
  nodeId: row.node_id,
  attempt: row.attempt,
  sizeBytes: row.size_bytes,
  latencyMs: row.latency_ms,
  content,
  truncated: row.truncated,
});
