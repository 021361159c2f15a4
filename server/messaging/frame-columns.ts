import { ArrayColumn } from "#server/kernel/array-column.ts";
import type { FrameRow } from "./frame-row.ts";

type Kind = "uuid" | "text" | "int4" | "int8" | "bytea";
type Column = { name: string; kind: Kind; expr?: (parameter: string) => string; add: (column: ArrayColumn, row: FrameRow) => void };

const idOf = (name: string, value: (row: FrameRow) => string | null | undefined): Column => ({
  name,
  kind: "uuid",
  add: (column, row) => column.uuid(value(row) ?? null),
});
const textOf = (name: string, value: (row: FrameRow) => string | null | undefined): Column => ({
  name,
  kind: "text",
  add: (column, row) => column.text(value(row) ?? null),
});
const flagOf = (name: string, value: (row: FrameRow) => boolean): Column => ({
  name,
  kind: "int4",
  expr: (it) => `${it} <> 0`,
  add: (column, row) => column.int4(value(row) ? 1 : 0),
});

/** One array per column, one statement per batch. */
const COLUMNS: readonly Column[] = [
  idOf("id", (row) => row.id),
  {
    name: "at",
    kind: "int8",
    expr: (it) => `timestamptz 'epoch' + ${it} * interval '1 millisecond'`,
    add: (column, row) => column.int8(row.at.getTime()),
  },
  idOf("tenant_id", (row) => row.tenantId),
  textOf("protocol", (row) => row.protocol),
  textOf("direction", (row) => row.direction),
  textOf("kind", (row) => row.kind),
  textOf("method", (row) => row.method),
  textOf("sender", (row) => row.from),
  textOf("recipient", (row) => row.to),
  textOf("correlation_id", (row) => row.correlationId),
  idOf("run_id", (row) => row.step?.runId),
  textOf("scope", (row) => row.step?.scope),
  textOf("node_id", (row) => row.step?.nodeId),
  {
    name: "attempt",
    kind: "int4",
    add: (column, { step }) => (step === undefined ? column.null() : column.int4(step.attempt)),
  },
  { name: "size_bytes", kind: "int4", add: (column, row) => column.int4(row.sizeBytes) },
  {
    name: "latency_ms",
    kind: "int8",
    expr: (it) => `${it}::float8 / 1000`,
    add: (column, { latencyMs }) => (latencyMs === undefined ? column.null() : column.int8(Math.round(latencyMs * 1_000))),
  },
  flagOf("truncated", (row) => row.truncated),
  { name: "content", kind: "bytea", add: (column, row) => column.bytes(row.body) },
  idOf("server_id", (row) => row.mcp?.serverId),
  idOf("connection_id", (row) => row.mcp?.connectionId),
  textOf("transport", (row) => row.mcp?.transport),
  textOf("era", (row) => row.mcp?.era),
  textOf("tool", (row) => row.mcp?.tool),
  textOf("error_code", (row) => row.errorCode),
  flagOf("redacted", (row) => row.redacted),
];

export const INSERT_FRAMES = `insert into protocol_frames (${COLUMNS.map(({ name }) => name).join(", ")})
  select ${COLUMNS.map(({ expr }, i) => expr?.(`f.c${i}`) ?? `f.c${i}`).join(", ")}
  from unnest(${COLUMNS.map(({ kind }, i) => `$${i + 1}::${kind}[]`).join(", ")}) as f (${COLUMNS.map((_, i) => `c${i}`).join(", ")})`;

/** The statement's parameters for a batch. What it has made for the batch before is not valid any more. */
export function frameColumns(): (rows: readonly FrameRow[]) => Buffer[] {
  const columns = COLUMNS.map(({ kind, add }) => ({ column: new ArrayColumn(kind), add }));
  return (rows) =>
    columns.map(({ column, add }) => {
      column.clear();
      for (const row of rows) add(column, row);
      return column.toBuffer();
    });
}
