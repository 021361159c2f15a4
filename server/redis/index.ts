import type { Log } from "#server/kernel/log.ts";
import type { Dispatch, LiveBus } from "#server/kernel/ports.ts";
import { Channels } from "./channels.ts";
import { openConnections } from "./connections.ts";
import { createRedisDispatch } from "./dispatch.ts";
import { createRedisLiveBus } from "./live-bus.ts";

export type RedisOptions = {
  url: string;
  /** The same in all processes of one installation, and another one in every other. */
  installation: string;
  /** Names this process among them. */
  instanceId: string;
  /** This process's own bus. */
  local: LiveBus;
  log: Log;
};

export type RedisLinks = {
  readonly dispatch: Dispatch;
  readonly live: LiveBus;
  /** Drops what has not been sent and ends the connections at once. */
  close(): void;
};

/** Joins this process to the others by Redis. Resolves without waiting for it: Redis may come, go and be emptied at any time. */
export async function openRedis({ url, installation, instanceId, local, log }: RedisOptions): Promise<RedisLinks> {
  const prefix = `auterity:${installation}`;
  const connections = await openConnections(url, log);
  const channels = new Channels({ connections, log });
  const shared = { channels, prefix, origin: instanceId };
  const dispatch = await createRedisDispatch({ ...shared, connections, log });
  return {
    dispatch,
    live: createRedisLiveBus({ ...shared, local }),
    close: () => {
      dispatch.close();
      channels.close();
      connections.close();
    },
  };
}
