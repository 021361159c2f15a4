import { lookup as dnsLookup } from "node:dns/promises";
import { LRUCache } from "lru-cache";
import { Agent } from "undici";
import type { Log } from "#server/kernel/log.ts";
import type { Audit, Database, Egress, EgressPurpose } from "#server/kernel/ports.ts";
import { reachOf, type Lookup } from "./admission.ts";
import { EgressDenied } from "./denied.ts";
import { denialRecord } from "./denial-record.ts";
import { guardedConnector } from "./guarded-connect.ts";
import { guardedFetch } from "./guarded-fetch.ts";
import { RESPONSE_BYTES } from "./response-cap.ts";
import { findRule, saveRule } from "./rules.ts";
import { parseTarget } from "./target.ts";

export { isGuardedConnect } from "./guarded-connect.ts";

/** `lookup` is the system's resolver unless given. */
export type EgressDeps = { database: Database; audit: Audit; log: Log; now: () => Date; lookup?: Lookup };

const systemLookup: Lookup = (host) => dnsLookup(host, { all: true });

/**
 * The one way by which the platform's own process opens sockets to addresses that come from data. Rules are read when a
 * socket is opened, not cached: connections are pooled, so that is seldom, and a removed rule counts at once.
 */
export function createEgress(deps: EgressDeps): { egress: Egress; close(): Promise<void> } {
  const lookup = deps.lookup ?? systemLookup;
  const closing = new Set<Promise<void>>();
  // One pool of sockets per tenant and purpose: what was opened under one rule is never used under another.
  const agents = new LRUCache<string, Agent>({
    max: 512,
    dispose: (agent) => {
      const closed = agent.close().finally(() => closing.delete(closed));
      closing.add(closed);
    },
  });
  const agentOf = agentSource({ ...deps, lookup }, agents);
  const recordDenial = denialRecord(deps);

  return {
    egress: {
      fetchFor: (tenantId, purpose) => async (input, init) => {
        try {
          return await guardedFetch(agentOf(tenantId, purpose))(input, init);
        } catch (error) {
          if (error instanceof EgressDenied) await recordDenial({ tenantId, purpose, at: error.at, reason: error.reason });
          throw error;
        }
      },
      allow: async (tx, { tenantId, url, purpose, actor }) => {
        const { host, port } = parseTarget(url);
        const reach = await reachOf(host, lookup);
        const changed = await saveRule(tx, { tenantId, purpose, host, port, reach, createdBy: actor });
        if (!changed) return;
        await deps.audit.record(tx, {
          tenantId,
          actor,
          action: "egress.allowed",
          target: `address:${host}:${port}`,
          details: { purpose, reach },
        });
      },
    },
    close: async () => {
      const open = [...agents.values()];
      await Promise.allSettled([...open.map((agent) => agent.destroy()), ...closing]);
    },
  };
}

type Source = EgressDeps & { lookup: Lookup };
function agentSource(deps: Source, agents: LRUCache<string, Agent>): (tenantId: string, purpose: EgressPurpose) => Agent {
  return (tenantId, purpose) => {
    const key = `${tenantId} ${purpose}`;
    const known = agents.get(key);
    if (known) return known;
    const connect = guardedConnector({
      lookup: deps.lookup,
      destination: (host, port) => ({
        host,
        port,
        findRule: () => deps.database.asTenant(tenantId, (tx) => findRule(tx, { tenantId, purpose, host, port })),
      }),
    });
    // No timeouts of its own: a model may think for minutes and a stream may be silent for hours; callers pass signals.
    const agent = new Agent({ connect, headersTimeout: 0, bodyTimeout: 0, maxResponseSize: RESPONSE_BYTES });
    agents.set(key, agent);
    return agent;
  };
}
