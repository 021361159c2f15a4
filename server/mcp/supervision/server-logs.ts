import type { ServerLogLine } from "#contract/mcp/logs.ts";
import type { Log } from "#server/kernel/log.ts";
import { decodeCursor, toPage } from "#server/kernel/paging.ts";
import type { Database, Redactor, Tx } from "#server/kernel/ports.ts";

type Stream = ServerLogLine["stream"];
type Owner = { tenantId: string; id: string };
type Pending = { owner: Owner; lines: { stream: Stream; text: string; at: Date }[]; dropped: number };

export type ServerLogs = {
  /** Takes one line; never waits and never fails. Lines that come faster than they can be kept are counted instead. */
  add(owner: Owner, stream: Stream, text: string): void;
  /** Writes what is waiting; for the end of the platform and for tests. */
  flush(): Promise<void>;
};

/** Lines of one server that are kept between two writes. */
const LINES_PER_WRITE = 200;
const LINES_KEPT = 2_000;
const LINE_CHARS = 4_096;

type Deps = { database: Database; redactor: Redactor; log: Log; now: () => Date; flushMs: number };

export function createServerLogs({ database, redactor, log, now, flushMs }: Deps): ServerLogs {
  let pending = new Map<string, Pending>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const batch = [...pending.values()];
    pending = new Map();
    writing = writing.then(() => writeAll(batch));
    return writing;
  };
  const writeAll = async (batch: readonly Pending[]): Promise<void> => {
    for (const server of batch) {
      const lines =
        server.dropped === 0
          ? server.lines
          : [...server.lines, { stream: "event", text: `${server.dropped} lines dropped`, at: now() } as const];
      await database
        .asTenant(server.owner.tenantId, (tx) => writeLines(tx, server.owner, lines))
        .catch((error: unknown) => log.warn("server log lines were lost", { serverId: server.owner.id, error }));
    }
  };
  return {
    flush,
    add(owner, stream, text) {
      const waiting = pending.get(owner.id) ?? { owner, lines: [], dropped: 0 };
      pending.set(owner.id, waiting);
      timer ??= setTimeout(() => void flush(), flushMs).unref();
      if (waiting.lines.length >= LINES_PER_WRITE) waiting.dropped += 1;
      else waiting.lines.push({ stream, text: printable(redactor.text(text.slice(0, LINE_CHARS))), at: now() });
    },
  };
}

/** Control characters as escapes: a log must not move the reader's cursor, and PostgreSQL takes no NUL. */
const printable = (text: string): string =>
  text.toWellFormed().replace(/(?!\t)\p{Cc}|[\u202A-\u202E\u2066-\u2069]/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);

type Line = { stream: Stream; text: string; at: Date };

async function writeLines(tx: Tx, owner: Owner, lines: readonly Line[]): Promise<void> {
  await tx.query(
    `insert into mcp_server_logs (tenant_id, server_id, stream, text, at)
     select $1, $2, line.stream, line.text, line.at from unnest($3::text[], $4::text[], $5::timestamptz[]) as line (stream, text, at)`,
    [owner.tenantId, owner.id, lines.map((l) => l.stream), lines.map((l) => l.text), lines.map((l) => l.at)],
  );
  await tx.query(
    `delete from mcp_server_logs where server_id = $1 and id <=
       (select id from mcp_server_logs where server_id = $1 order by id desc offset $2 limit 1)`,
    [owner.id, LINES_KEPT],
  );
}

type LogRow = { id: string; stream: Stream; text: string; at: Date };

/** Newest first. */
export async function pageLogs(
  tx: Tx,
  { serverId, limit, cursor }: { serverId: string; limit: number; cursor?: string },
): Promise<{
  items: ServerLogLine[];
  nextCursor: string | null;
}> {
  const [before] = decodeCursor(cursor, [/^\d{1,18}$/]) ?? [];
  const rows = await tx.query<LogRow>(
    "select id::text, stream, text, at from mcp_server_logs where server_id = $1 and ($3::bigint is null or id < $3) order by mcp_server_logs.id desc limit $2",
    [serverId, limit + 1, before ?? null],
  );
  return toPage(rows, { limit, map: ({ id, stream, text, at }) => ({ id, stream, text, at: at.toISOString() }), key: ({ id }) => [id] });
}
