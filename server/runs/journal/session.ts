import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import type { Client } from "pg";
import { AppError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { sqlState } from "../../kernel/pg-errors.ts";
import type { PreparedStatement, TextRow } from "../../kernel/ports.ts";
import { RoundTrip } from "../../kernel/round-trip.ts";
import type { RunAppends } from "./append.ts";
import { createAppendStatement, ownerStatement } from "./statement.ts";

export type FoundRow = { runId: string; epoch: number; appendId: number; at: number };

/** One connection of the journal writer. Both calls reject with `ConnectionLost` when the outcome is unknown. */
export type JournalSession = {
  /** Stores everything or nothing; answers with the time that was stored. */
  append(groups: readonly RunAppends[]): Promise<number>;
  /** The first row of each group, where the journal has one. Waits until the database is back. */
  owners(groups: readonly RunAppends[]): Promise<FoundRow[]>;
  close(): Promise<void>;
};

export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/**
 * A plan made while the tables are empty scans them for ever once they are full, so only index plans are allowed; generic
 * plans, because the parameters are arrays of any length; no jit, because its first compilation costs more than it saves.
 */
const SETTINGS = `set plan_cache_mode = force_generic_plan; set jit = off;
  set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set enable_bitmapscan = off`;
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1_000;

type Connection = { client: Client; isLost: () => boolean };
/** How long an answer may take before the connection is given up, and what it was to store is looked for on another. */
const ANSWER_MS = 10_000;
type Options = { connectWorker: () => Promise<Client>; log: Log; answerMs?: number };

export function createJournalSession({ connectWorker, log, answerMs = ANSWER_MS }: Options): JournalSession {
  let connection: Connection | undefined;
  let closed = false;
  const appendStatement = createAppendStatement();

  const open = async (): Promise<Connection> => {
    if (connection && !connection.isLost()) return connection;
    const client = await connectWorker();
    let lost = false;
    client.on("error", () => void (lost = true));
    client.on("end", () => void (lost = true));
    await client.query(SETTINGS);
    connection = { client, isLost: () => lost };
    return connection;
  };

  /** Keeps trying: a holder can do nothing better than wait for its database. */
  const openPatiently = (): Promise<Connection> => {
    const attempt = (): Promise<Connection> => {
      if (closed) throw new AppError("unavailable", "The journal writer has stopped.");
      return open();
    };
    return patiently(attempt, {
      mayPass: () => !closed,
      onFailure: (failure) => log.warn("the journal cannot reach the database", failure),
    });
  };

  const query = async ({ client, isLost }: Connection, statement: PreparedStatement): Promise<TextRow[]> => {
    // A connection that neither answers nor breaks would hold up every run of its lane, whose leases go on being renewed.
    const tooLate = setTimeout(() => void client.end().catch(() => {}), answerMs);
    try {
      return await client.query(new RoundTrip(statement)).rows;
    } catch (error) {
      if (await isConnectionError(error, isLost)) {
        connection = undefined;
        client.end().catch(() => {});
        throw new ConnectionLost("The connection broke; whether the rows were stored is not known.", { cause: error });
      }
      throw error;
    } finally {
      clearTimeout(tooLate);
    }
  };

  /** Asks again while the server itself says that it can store nothing at the moment: that is no fault of the rows. */
  const store = (groups: readonly RunAppends[]): Promise<TextRow[]> =>
    patiently(async () => query(await openPatiently(), appendStatement(groups)), {
      mayPass: (error) => UNABLE.test(sqlState(error) ?? ""),
      onFailure: (failure) => log.warn("the database stores nothing at the moment", failure),
    });

  return {
    append: async (groups) => {
      const [row] = await store(groups);
      if (!row) throw new AppError("internal", "The journal's statement answered with no row.");
      return Number(row[0]);
    },
    owners: async (groups) => (await query(await openPatiently(), ownerStatement(groups))).map(toFoundRow),
    close: async () => {
      closed = true;
      await connection?.client.end().catch(() => {});
    },
  };
}

function toFoundRow([runId, epoch, appendId, at]: TextRow): FoundRow {
  return { runId: runId ?? "", epoch: Number(epoch), appendId: Number(appendId), at: Number(at) };
}

type Patience = { mayPass: (error: unknown) => boolean; onFailure: (failure: { error: unknown; waitMs: number }) => void };

/** Tries again, after longer and longer pauses, as long as the failure may pass. */
async function patiently<T>(attempt: () => Promise<T>, { mayPass, onFailure }: Patience): Promise<T> {
  for (let waitMs = FIRST_PAUSE_MS; ; waitMs = Math.min(waitMs * 2, LAST_PAUSE_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (!mayPass(error)) throw error;
      onFailure({ error, waitMs });
      await pause(waitMs);
    }
  }
}

/** Read-only, out of disk, memory or locks, cancelled by somebody, its files out of reach: nothing was stored, and later it may be. */
const UNABLE = /^(25006|53|55P03|57014|58)/;

/** The states by which the server ends a connection. Without a state, the socket's own events tell. */
const ENDED = /^(08000|08003|08006|57P)/;

async function isConnectionError(error: unknown, isLost: () => boolean): Promise<boolean> {
  const state = sqlState(error);
  if (state !== undefined) return ENDED.test(state);
  // `pg` rejects what was waiting just before it reports the break.
  await nextTurn();
  return isLost();
}
