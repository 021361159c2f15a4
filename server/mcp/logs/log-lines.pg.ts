import { LOG_LEVELS, type LogFilter, type LogLevel, type ServerLogLine } from "#contract/mcp/logs.ts";
import { decodeCursor, toPage } from "#server/kernel/paging.ts";
import type { Tx } from "#server/kernel/ports.ts";

export type LogStream = ServerLogLine["stream"];
export type LogOwner = { tenantId: string; id: string };
export type NewLine = { stream: LogStream; text: string; at: Date; level: LogLevel | null; processId: string | null };

/**
 * Appends lines, and lets go of the oldest beyond `kept`. One process after the other, as each gives out its ids before it commits: whoever
 * follows the lines by their ids would not see those that come to light below the last one.
 */
export async function writeLines(tx: Tx, owner: LogOwner, { lines, kept }: { lines: readonly NewLine[]; kept: number }): Promise<void> {
  await tx.query("select pg_advisory_xact_lock(hashtext('auterity_server_log'), hashtext($1))", [owner.id]);
  await tx.query(
    `insert into mcp_server_logs (tenant_id, server_id, stream, text, at, level, process_id)
     select $1, $2, line.stream, line.text, line.at, line.level, line.process_id
     from unnest($3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::uuid[]) as line (stream, text, at, level, process_id)`,
    [
      owner.tenantId,
      owner.id,
      lines.map((l) => l.stream),
      lines.map((l) => l.text),
      lines.map((l) => l.at),
      lines.map((l) => l.level),
      lines.map((l) => l.processId),
    ],
  );
  await tx.query(
    `delete from mcp_server_logs where server_id = $1 and id <=
       (select id from mcp_server_logs where server_id = $1 order by id desc offset $2 limit 1)`,
    [owner.id, kept],
  );
}

type LogRow = { id: string; stream: LogStream; text: string; at: Date; level: LogLevel | null; process_id: string | null };

const COLUMNS = "id::text, stream, text, at, level, process_id";

/** What fits the filter; its values are $2 to $6, after the server's id. Escaped lines are searched, as they are shown. */
const FITS = `server_id = $1
  and ($2::text is null or strpos(lower(text), lower($2)) > 0)
  and ($3::text is null or stream = $3)
  and ($4::text[] is null or level = any($4))
  and ($5::timestamptz is null or at >= $5)
  and ($6::uuid is null or process_id = $6)`;

function valuesOf(serverId: string, { q, stream, level, since, processId }: LogFilter): unknown[] {
  const levels = level === undefined ? null : LOG_LEVELS.slice(LOG_LEVELS.indexOf(level));
  return [serverId, q ?? null, stream ?? null, levels, since ?? null, processId ?? null];
}

type PageOf = { serverId: string; filter: LogFilter; limit: number; cursor?: string | undefined };

/** Newest first. */
export async function pageLines(
  tx: Tx,
  { serverId, filter, limit, cursor }: PageOf,
): Promise<{ items: ServerLogLine[]; nextCursor: string | null }> {
  const [before] = decodeCursor(cursor, [/^\d{1,18}$/]) ?? [];
  const rows = await tx.query<LogRow>(
    `select ${COLUMNS} from mcp_server_logs where ${FITS} and ($8::bigint is null or id < $8)
     order by mcp_server_logs.id desc limit $7`,
    [...valuesOf(serverId, filter), limit + 1, before ?? null],
  );
  return toPage(rows, { limit, map: toLine, key: ({ id }) => [id] });
}

type After = { serverId: string; filter: LogFilter; after: string; limit: number };

/** Oldest first, from the line after `after`. */
export async function linesAfter(tx: Tx, { serverId, filter, after, limit }: After): Promise<ServerLogLine[]> {
  const rows = await tx.query<LogRow>(
    `select ${COLUMNS} from mcp_server_logs where ${FITS} and id > $8::bigint order by mcp_server_logs.id limit $7`,
    [...valuesOf(serverId, filter), limit, after],
  );
  return rows.map(toLine);
}

/** The id of the newest line, "0" when there is none. */
export async function newestLine(tx: Tx, serverId: string): Promise<string> {
  const [row] = await tx.query<{ id: string }>("select coalesce(max(id), 0)::text as id from mcp_server_logs where server_id = $1", [
    serverId,
  ]);
  return row?.id ?? "0";
}

const toLine = ({ process_id, at, ...row }: LogRow): ServerLogLine => ({ ...row, at: at.toISOString(), processId: process_id });
