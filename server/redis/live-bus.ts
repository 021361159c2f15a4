import { LiveEvent } from "#contract/system.ts";
import type { LiveBus } from "#server/kernel/ports.ts";
import type { Channels } from "./channels.ts";

export type RedisLiveBusOptions = {
  /** This process's own bus: what is published here is heard here at once, whatever becomes of Redis. */
  local: LiveBus;
  channels: Pick<Channels, "publish" | "subscribe">;
  /** Of this installation. */
  prefix: string;
  /** Names this process: its own messages come back to it. */
  origin: string;
};

/**
 * Fans hints out to all processes, on one channel per tenant; a process hears only the tenants that somebody listens to.
 * Where hints may have been missed (an outage, a connection made anew) the listeners are told `resync`.
 */
export function createRedisLiveBus({ local, channels, prefix, origin }: RedisLiveBusOptions): LiveBus {
  const channelOf = (tenantId: string): string => `${prefix}:live:${tenantId}`;
  const tenants = new Map<string, { listeners: number; leave: () => void }>();
  const join = (tenantId: string): { listeners: number; leave: () => void } => {
    const leave = channels.subscribe(channelOf(tenantId), {
      onMessage: (message) => {
        const event = message.startsWith(`${origin} `) ? undefined : parse(message);
        if (event) local.publish(tenantId, event);
      },
      onGap: () => local.publish(tenantId, { type: "resync" }),
    });
    return { listeners: 0, leave };
  };
  const part = (tenantId: string): void => {
    const tenant = tenants.get(tenantId);
    if (!tenant || (tenant.listeners -= 1) > 0) return;
    tenants.delete(tenantId);
    tenant.leave();
  };
  return {
    publish: (tenantId, event) => {
      local.publish(tenantId, event);
      channels.publish(channelOf(tenantId), `${origin} ${JSON.stringify(event)}`);
    },
    subscribe: (tenantId, listener) => {
      const leaveLocal = local.subscribe(tenantId, listener);
      const tenant = tenants.get(tenantId) ?? join(tenantId);
      tenants.set(tenantId, tenant);
      tenant.listeners += 1;
      let hasLeft = false;
      return () => {
        leaveLocal();
        if (!hasLeft) part(tenantId);
        hasLeft = true;
      };
    },
  };
}

/** Undefined for what no process of this version would say. */
function parse(message: string): LiveEvent | undefined {
  try {
    return LiveEvent.safeParse(JSON.parse(message.slice(message.indexOf(" ") + 1))).data;
  } catch {
    return undefined;
  }
}
