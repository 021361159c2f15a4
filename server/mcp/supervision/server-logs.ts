import { LIMITS } from "#contract/limits.ts";
import type { LogLevel } from "#contract/mcp/logs.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Database, Redactor } from "#server/kernel/ports.ts";
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
  /** Writes what is waiting; for the end of the platform and for tests. */
  flush(): Promise<void>;
};

/** Lines of one server that are kept between two writes. */
const LINES_PER_WRITE = 200;

type Deps = { database: Database; redactor: Redactor; log: Log; now: () => Date; flushMs: number };

export function createServerLogs({ database, redactor, log, now, flushMs }: Deps): ServerLogs {
  let pending = new Map<string, Pending>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  const listeners = new Map<string, Set<() => void>>();

  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const batch = [...pending.values()];
    pending = new Map();
    writing = writing.then(() => writeAll(batch));
    return writing;
  };
  const writeAll = async (batch: readonly Pending[]): Promise<void> => {
    for (const { owner, lines, dropped } of batch) {
      const told =
        dropped === 0 ? lines : [...lines, { ...UNKNOWN, stream: "event", text: `${dropped} lines dropped`, at: now() } as const];
      await database
        .asTenant(owner.tenantId, (tx) => writeLines(tx, owner, { lines: told, kept: LIMITS.mcpLogLines }))
        .catch((error: unknown) => log.warn("server log lines were lost", { serverId: owner.id, error }));
      for (const listener of listeners.get(owner.id) ?? []) listener();
    }
  };
  const waitingOf = (owner: LogOwner): Pending => {
    const waiting = pending.get(owner.id) ?? { owner, lines: [], dropped: 0 };
    pending.set(owner.id, waiting);
    timer ??= setTimeout(() => void flush(), flushMs).unref();
    return waiting;
  };
  return {
    flush,
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
