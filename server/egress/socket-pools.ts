import { LRUCache } from "lru-cache";
import { Agent } from "undici";
import type { EgressPurpose } from "#contract/egress.ts";
import type { Database } from "#server/kernel/ports.ts";
import type { Lookup } from "./admission.ts";
import { guardedConnector } from "./guarded-connect.ts";
import { RESPONSE_BYTES } from "./response-cap.ts";
import { findRule } from "./rules.ts";

type Deps = { database: Database; lookup: Lookup };
export type SocketPools = { of(tenantId: string, purpose: EgressPurpose): Agent; close(): Promise<void> };

/** One pool of guarded sockets per tenant and purpose: what was opened under one rule is never used under another. */
export function createSocketPools(deps: Deps): SocketPools {
  const closing = new Set<Promise<void>>();
  const agents = new LRUCache<string, Agent>({
    max: 512,
    dispose: (agent) => {
      const closed = agent.close().finally(() => closing.delete(closed));
      closing.add(closed);
    },
  });
  return {
    of: (tenantId, purpose) => {
      const key = `${tenantId} ${purpose}`;
      const known = agents.get(key);
      if (known) return known;
      const agent = guardedAgent(deps, tenantId, purpose);
      agents.set(key, agent);
      return agent;
    },
    close: async () => {
      const open = [...agents.values()];
      await Promise.allSettled([...open.map((agent) => agent.destroy()), ...closing]);
    },
  };
}

/** Where a tenant connects to for a purpose, with the rule that it has for that. */
export const destinations = (database: Database, tenantId: string, purpose: EgressPurpose) => (host: string, port: number) => ({
  host,
  port,
  findRule: () => database.asTenant(tenantId, (tx) => findRule(tx, { tenantId, purpose, host, port })),
});

function guardedAgent({ database, lookup }: Deps, tenantId: string, purpose: EgressPurpose): Agent {
  const connect = guardedConnector({ lookup, destination: destinations(database, tenantId, purpose) });
  // No timeouts of its own: a model may think for minutes and a stream may be silent for hours; callers pass signals.
  return new Agent({ connect, headersTimeout: 0, bodyTimeout: 0, maxResponseSize: RESPONSE_BYTES });
}
