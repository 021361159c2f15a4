import type { Message, MessageFilter } from "#contract/messages.ts";
import type { Json } from "#contract/common.ts";

export type FramePosition = { at: string; id: string };

/** Both are written alike, so they compare like what they stand for. */
export const isAfter = (place: FramePosition, other: FramePosition): boolean =>
  place.at > other.at || (place.at === other.at && place.id > other.id);

export type StoredFrame = {
  id: string;
  at: Date;
  protocol: Message["protocol"];
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
  server_id: string | null;
  connection_id: string | null;
  transport: Message["transport"];
  era: Message["era"];
  tool: string | null;
  error_code: string | null;
  size_bytes: number;
  latency_ms: number | null;
  truncated: boolean;
  redacted: boolean;
  content: Buffer;
};

const COLUMNS = `id, at, protocol, direction, kind, method, sender, recipient, correlation_id, run_id, scope, node_id, attempt, server_id,
  connection_id, transport, era, tool, error_code, size_bytes, latency_ms, truncated, redacted, content`;

/** A condition and the value that its `?` stands for, if it has one. */
type Condition = readonly [sql: string, value?: unknown];

const IS: { [K in keyof MessageFilter]?: string } = {
  runId: "run_id = ?::uuid",
  nodeId: "node_id = ?",
  protocol: "protocol = ?",
  correlationId: "correlation_id = ?",
  server: "server_id = ?::uuid",
  direction: "direction = ?",
  kind: "kind = ?",
  method: "method = ?",
  tool: "tool = ?",
  minLatencyMs: "latency_ms >= ?",
  since: "at >= ?::timestamptz",
  until: "at < ?::timestamptz",
};
/** What is stored encrypted is not looked into. */
const HAS_TEXT = `(strpos(lower(method), lower(?)) > 0
  or case when get_byte(content, 0) = 0 then strpos(lower(convert_from(substr(content, 2), 'UTF8')), lower(?)) > 0 else false end)`;

const IS_BETWEEN = "kind in ('notification', 'chunk')";

function conditionsOf(filter: MessageFilter): Condition[] {
  const given = new Map<string, unknown>(Object.entries(filter));
  const equal = Object.entries(IS).flatMap(([key, sql]): Condition[] => {
    const value = given.get(key);
    return value === undefined ? [] : [[sql, value]];
  });
  const errors: Condition[] = filter.errors === true ? [["error_code is not null"]] : [];
  const text: Condition[] = filter.q === undefined ? [] : [[HAS_TEXT, filter.q]];
  return [...equal, ...errors, ...text];
}

export type Wanted = {
  tenantId: string;
  filter: MessageFilter;
  /** Or those nearest to a time: requests and answers, then what was said in between. */
  order: "asc" | "desc" | { near: string };
  /** Only what comes after it in this order. */
  after?: FramePosition | undefined;
  /** Only these. */
  ids?: readonly string[] | undefined;
  limit: number;
  /** Where they are instead of what they say: `id` and `at`. */
  places?: boolean;
};

/** The statement that reads frames: only conditions that are asked for, so that the fitting index is used. */
export function frameQuery({ tenantId, filter, order, after, ids, limit, places }: Wanted): { text: string; values: unknown[] } {
  const values: unknown[] = [tenantId];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const where = conditionsOf(filter).map(([sql, value]) => (value === undefined ? sql : sql.split("?").join(bind(value))));
  if (ids) where.push(`id = any(${bind(ids)}::uuid[])`);
  const ordered =
    typeof order === "string"
      ? `at ${order}, id ${order}`
      : `${IS_BETWEEN}, abs(extract(epoch from at - ${bind(order.near)}::timestamptz))`;
  if (after) where.push(`(at, id) ${order === "asc" ? ">" : "<"} (${bind(after.at)}::timestamptz, ${bind(after.id)}::uuid)`);
  const what = places === true ? "id, at" : COLUMNS;
  const all = ["tenant_id = $1", ...where].join(" and ");
  const text = `select ${what} from protocol_frames where ${all} order by ${ordered} limit ${bind(limit)}`;
  return { text, values };
}

export const toMessage = (row: StoredFrame, content: Json): Message => ({
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
  serverId: row.server_id,
  connectionId: row.connection_id,
  transport: row.transport,
  era: row.era,
  tool: row.tool,
  errorCode: row.error_code,
  sizeBytes: row.size_bytes,
  latencyMs: row.latency_ms,
  content,
  truncated: row.truncated,
  redacted: row.redacted,
});
