import type { Redis, RedisOptions } from "ioredis";
import { background, type Log } from "#server/kernel/log.ts";
import { createOutage, type Outage } from "./outage.ts";

/** How long one command may take before nobody waits for it any more. */
export const COMMAND_MS = 1_000;
const HEARTBEAT_MS = 1_000;

/**
 * A lost connection is made again for ever, and what was asked of it is given up: everything that is said over Redis is a
 * hint, and an old hint is worth nothing.
 */
const COMMON = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  connectTimeout: 2_000,
  // A socket on which an answer is owed and nothing comes is dead, as after the loss of a machine.
  socketTimeout: 10_000,
  keepAlive: 5_000,
  connectionName: "auterity",
  retryStrategy: (times: number) => Math.min(100 * 2 ** times, 2_000) * (0.5 + Math.random() / 2),
} as const satisfies RedisOptions;

export type Connections = {
  readonly outage: Outage;
  /** For commands that Redis answers at once; fails within `COMMAND_MS`. */
  readonly commands: Redis;
  /** For subscriptions. */
  readonly subscriber: Redis;
  /** A new connection that may wait for its answers. */
  openPatient(): Redis;
  /** Ends all connections at once, whatever they wait for. */
  close(): void;
};

export async function openConnections(url: string, log: Log): Promise<Connections> {
  // The client is loaded only here: most installations have no Redis.
  const { Redis } = await import("ioredis");
  const outage = createOutage(log);
  const clients: Redis[] = [];
  const open = (options: RedisOptions): Redis => {
    const client = new Redis(url, { ...COMMON, ...options });
    client.on("error", (error) => outage.failed(error));
    clients.push(client);
    return client;
  };
  const commands = open({ commandTimeout: COMMAND_MS, maxRetriesPerRequest: 0 });
  const subscriber = open({ maxRetriesPerRequest: 0 });
  const heartbeat = setInterval(() => background(log, "asking Redis", () => beat(commands, subscriber, outage)), HEARTBEAT_MS);
  heartbeat.unref();
  return {
    outage,
    commands,
    subscriber,
    // BullMQ waits with blocking commands, which it gives up by itself.
    openPatient: () => open({ maxRetriesPerRequest: null, enableOfflineQueue: true }),
    close: () => {
      clearInterval(heartbeat);
      for (const client of clients) client.disconnect();
    },
  };
}

/** The subscriber is asked as well: a dead socket shows only on what one expects from it. */
async function beat(commands: Redis, subscriber: Redis, outage: Outage): Promise<void> {
  try {
    if (subscriber.status === "ready") subscriber.ping().catch(outage.failed);
    await commands.ping();
    outage.answered();
  } catch (error) {
    outage.failed(error);
  }
}
