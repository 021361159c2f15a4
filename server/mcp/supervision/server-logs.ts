import { LIMITS } from "#contract/limits.ts";
import type { LogLevel } from "#contract/mcp/logs.ts";
import { toAppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Database, Redactor } from "#server/kernel/ports.ts";
import { isOurs } from "../connection/failures.ts";
import { writeLines, type LogOwner, type LogStream, type NewLine } from "../logs/log-lines.pg.ts";

type Pending = { owner: LogOwner; lines: NewLine[]; dropped: number };

/** A line with what is known of it beside its text. */
export type LogText = { text: string; level?: LogLevel | undefined; processId?: string | undefined };

export type ServerLogs = {
  /** Takes one line; never waits and never fails. Lines that come faster than they can be kept are counted instead. */
  add(owner: LogOwner, stream: LogStream, line: string | LogText): void;
  /** So many lines came too fast to be looked at. */
  drop(owner: LogOwner, lines: number): void;
  /** Calls `listener` after lines of this server were written here, until the returned function is called. */
  onWritten(serverId: string, listener: () => void): () => void;
  /** Writes what is waiting: for whoever is about to read it. */
  flush(): Promise<void>;
};

/** Lines of one server that are kept between two writes, however long that takes: they wait for a database that is gone. */
const LINES_PER_WRITE = 200;

type Deps = { database: Database; redactor: Redactor; log: Log; now: () => Date; flushMs: number };

/** The log of all servers. `close` is its last write. */
export function createServerLogs(deps: Deps): ServerLogs & { close(): Promise<void> } {
  const { redactor, now, flushMs } = deps;
  const database = createWriting(deps);
  let pending = new Map<string, Pending>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  let isClosed = false;

  /** Takes what waits when its turn has come: not before, or a slow database would be queued up for without a bound. */
  const write = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    next = undefined;
    const batch = [...pending.values()];
    pending = new Map();
    for (const unwritten of await database.writeAll(batch)) putBack(unwritten);
  };
  const flush = (): Promise<void> => {
    next ??= writing.then(write);
    writing = next;
    return next;
  };
  const waitingOf = (owner: LogOwner): Pending => {
    const waiting = pending.get(owner.id) ?? { owner, lines: [], dropped: 0 };
    pending.set(owner.id, waiting);
    if (!isClosed) timer ??= setTimeout(() => void flush(), flushMs).unref();
    return waiting;
  };
  /** The older lines are kept: they say how it began. */
  const putBack = ({ owner, lines, dropped }: Pending): void => {
    const waiting = waitingOf(owner);
    const all = [...lines, ...waiting.lines];
    waiting.lines = all.slice(0, LINES_PER_WRITE);
    waiting.dropped += dropped + all.length - waiting.lines.length;
  };
  return {
    flush,
    close: () => {
      isClosed = true;
      return flush();
    },
    add(owner, stream, line) {
      const waiting = waitingOf(owner);
      if (waiting.lines.length >= LINES_PER_WRITE) {
        waiting.dropped += 1;
        return;
      }
      const { text, level = null, processId = null } = typeof line === "string" ? { text: line } : line;
      waiting.lines.push({ stream, text: printable(redactor.text(text)).slice(0, LIMITS.mcpLogLineChars), at: now(), level, processId });
    },
    drop: (owner, lines) => void (waitingOf(owner).dropped += lines),
    onWritten: (serverId, listener) => database.onWritten(serverId, listener),
  };
}

type Writing = Pick<ServerLogs, "onWritten"> & {
  /** Resolves with what could not be written because the database is gone. */
  writeAll(batch: readonly Pending[]): Promise<readonly Pending[]>;
};

function createWriting({ database, log, now }: Pick<Deps, "database" | "log" | "now">): Writing {
  const listeners = new Map<string, Set<() => void>>();
  /** Whether the database is there. */
  const writeOne = async ({ owner, lines, dropped }: Pending): Promise<boolean> => {
    const told = dropped === 0 ? lines : [...lines, { ...UNKNOWN, stream: "event", text: `${dropped} lines dropped`, at: now() } as const];
    try {
      await database.asTenant(owner.tenantId, (tx) => writeLines(tx, owner, { lines: told, kept: LIMITS.mcpLogLines }));
    } catch (error) {
      if (isOurs(toAppError(error))) return false;
      log.warn("server log lines were lost", { serverId: owner.id, error });
    }
    for (const listener of listeners.get(owner.id) ?? []) listener();
    return true;
  };
  return {
    async writeAll(batch) {
      for (const [i, one] of batch.entries()) if (!(await writeOne(one))) return batch.slice(i);
      return [];
    },
    onWritten(serverId, listener) {
      const heard = listeners.get(serverId) ?? new Set();
      listeners.set(serverId, heard.add(listener));
      return () => {
        heard.delete(listener);
        if (heard.size === 0) listeners.delete(serverId);
      };
    },
  };
}

const UNKNOWN = { level: null, processId: null };

/** Control characters as escapes: a log must not move the reader's cursor, and PostgreSQL takes no NUL. */
const printable = (text: string): string =>
  text.toWellFormed().replace(/(?!\t)\p{Cc}|[\u202A-\u202E\u2066-\u2069]/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
