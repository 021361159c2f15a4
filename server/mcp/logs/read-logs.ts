import type { Page, PageQuery } from "#contract/common.ts";
import type { LogFilter, ServerLogLine } from "#contract/mcp/logs.ts";
import { createBell } from "#server/kernel/bell.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { SseEvent } from "#server/kernel/handle.ts";
import type { Database } from "#server/kernel/ports.ts";
import { serverNotFound } from "../registration/manage-servers.ts";
import { findServer } from "../registration/servers.pg.ts";
import type { ServerLogs } from "../supervision/server-logs.ts";
import { linesAfter, newestLine, pageLines } from "./log-lines.pg.ts";

type Deps = { database: Database; logs: ServerLogs };
type Follow = { filter: LogFilter; after?: number | undefined; signal: AbortSignal };

export type LogUseCases = {
  page(caller: Caller, serverId: string, query: PageQuery & LogFilter): Promise<Page<ServerLogLine>>;
  /** As text, oldest first. */
  download(caller: Caller, serverId: string, filter: LogFilter): Promise<string>;
  /** Lines as they are written, by whichever process; from the one after `after`, or from now on. */
  follow(caller: Caller, serverId: string, follow: Follow): Promise<AsyncIterable<SseEvent>>;
};

const READ_LINES = 500;
/** This process tells of its own lines at once; those of others are looked for. */
const LOOK_EVERY_MS = 1_000;

/** What people read of servers' logs. Whatever belongs to another tenant is `not_found`. */
export function logUseCases({ database, logs }: Deps): LogUseCases {
  const readAfter = ({ tenantId }: Caller, serverId: string, from: { filter: LogFilter; after: string }): Promise<ServerLogLine[]> =>
    database.asTenant(tenantId, async (tx) => {
      if (!(await findServer(tx, serverId))) throw serverNotFound(serverId);
      return linesAfter(tx, { serverId, ...from, limit: READ_LINES });
    });
  async function* allAfter(caller: Caller, serverId: string, from: { filter: LogFilter; after: string }): AsyncGenerator<ServerLogLine> {
    for (let { after } = from; ;) {
      const lines = await readAfter(caller, serverId, { filter: from.filter, after });
      yield* lines;
      after = lines.at(-1)?.id ?? after;
      if (lines.length < READ_LINES) return;
    }
  }
  async function* eventsOf(caller: Caller, serverId: string, from: { filter: LogFilter; after: string; signal: AbortSignal }) {
    const bell = createBell(from.signal);
    const unsubscribe = logs.onWritten(serverId, bell.ring);
    try {
      for (let { after } = from; !from.signal.aborted; await bell.rung(LOOK_EVERY_MS)) {
        for await (const line of allAfter(caller, serverId, { ...from, after })) {
          yield { id: line.id, data: line };
          after = line.id;
        }
      }
    } finally {
      unsubscribe();
    }
  }
  return {
    async page({ tenantId }, serverId, { limit, cursor, ...filter }) {
      await logs.flush();
      return database.asTenant(tenantId, async (tx) => {
        if (!(await findServer(tx, serverId))) throw serverNotFound(serverId);
        return pageLines(tx, { serverId, filter, limit, cursor });
      });
    },
    async download(caller, serverId, filter) {
      await logs.flush();
      let text = "";
      for await (const line of allAfter(caller, serverId, { filter, after: "0" })) text += `${lineText(line)}\n`;
      return text;
    },
    async follow(caller, serverId, { filter, after, signal }) {
      const newest = await database.asTenant(caller.tenantId, async (tx) => {
        if (!(await findServer(tx, serverId))) throw serverNotFound(serverId);
        return newestLine(tx, serverId);
      });
      return eventsOf(caller, serverId, { filter, after: after === undefined ? newest : String(after), signal });
    },
  };
}

const lineText = ({ at, stream, level, processId, text }: ServerLogLine): string =>
  [at, stream, ...(level ? [level] : []), ...(processId ? [processId] : []), text].join(" ");
