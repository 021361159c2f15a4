import type { Client } from "pg";
import type { Log } from "../kernel/log.ts";
import type { Leadership } from "../kernel/ports.ts";
import { tryLock, type LockName } from "./advisory-lock.ts";

type Deps = {
  connect: () => Promise<Client>;
  lock: LockName;
  log: Log;
  /** Between two looks: how long it takes at most until the one that has died is replaced. */
  everyMs?: number;
  /** A connection on which nothing is heard for so long is given up by either side, and with it the lead. */
  patienceMs?: number;
};

/**
 * An election by an advisory lock: whoever holds it leads. It is held by a connection of its own, so that the database itself
 * lets it go when the process ends; and also when that has said nothing for a while, as one does that hangs, and one whose machine
 * or network has gone without a word.
 */
export function createLeadership({ connect, lock, log, everyMs = 1_000, patienceMs = 5_000 }: Deps): Leadership {
  let client: Client | undefined;
  let isLeading = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();

  const drop = (which: Client | undefined): void => {
    if (which === undefined || which !== client) return;
    client = undefined;
    isLeading = false;
    void which.end().catch(() => {});
  };
  const inTime = <T>(answer: Promise<T>): Promise<T> => withPatience(answer, patienceMs);
  const connected = async (): Promise<Client> => {
    if (client !== undefined) return client;
    const opened = await connect();
    opened.on("end", () => drop(opened));
    opened.on("error", () => drop(opened));
    client = opened;
    await inTime(opened.query("select set_config('idle_session_timeout', $1, false)", [String(patienceMs)]));
    return opened;
  };
  const look = async (): Promise<void> => {
    const current = await connected();
    // Taking it again counts, and tells at the same time whether the connection still stands.
    const taken = await inTime(isLeading ? isAlive(current) : tryLock(current, lock));
    if (client === current) isLeading = taken;
  };
  const round = async (): Promise<void> => {
    try {
      await look();
    } catch (error) {
      drop(client);
      log.debug("leadership is not known at the moment; it is tried again", { lock, error });
    }
    if (!isStopped) timer = setTimeout(() => void (looking = round()), everyMs).unref();
  };
  return {
    start() {
      if (!isStopped) looking = round();
    },
    leads: () => isLeading,
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await looking;
      drop(client);
    },
  };
}

async function isAlive(client: Client): Promise<boolean> {
  await client.query("select 1");
  return true;
}

async function withPatience<T>(answer: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`PostgreSQL has not answered for ${ms} ms.`)), ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
