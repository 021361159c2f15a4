import { lookup as dnsLookup } from "node:dns/promises";
import type { Log } from "#server/kernel/log.ts";
import type { Handled } from "#server/kernel/handle.ts";
import type { Audit, Database, Egress } from "#server/kernel/ports.ts";
import { admit, reachOf, type Lookup } from "./admission.ts";
import { EgressDenied } from "./denied.ts";
import { denialRecord } from "./denial-record.ts";
import { guardedFetch } from "./guarded-fetch.ts";
import { egressRoutes } from "./routes.ts";
import { findRule, saveRule } from "./rules.ts";
import { createSocketPools } from "./socket-pools.ts";
import { parseTarget } from "./target.ts";

export { isGuardedConnect } from "./guarded-connect.ts";

/** `lookup` is the system's resolver unless given. */
export type EgressDeps = { database: Database; audit: Audit; log: Log; now: () => Date; lookup?: Lookup };

const systemLookup: Lookup = (host) => dnsLookup(host, { all: true });

/**
 * The one way by which the platform's own process opens sockets to addresses that come from data. Rules are read when a
 * socket is opened, not cached: connections are pooled, so that is seldom, and a removed rule counts at once.
 */
export function createEgress(deps: EgressDeps): { egress: Egress; routes: Handled[]; close(): Promise<void> } {
  const lookup = deps.lookup ?? systemLookup;
  const pools = createSocketPools({ ...deps, lookup });
  const recordDenial = denialRecord(deps);

  const egress: Egress = {
    fetchFor: (tenantId, purpose) => async (input, init) => {
      try {
        return await guardedFetch(pools.of(tenantId, purpose))(input, init);
      } catch (error) {
        if (error instanceof EgressDenied) await recordDenial({ tenantId, purpose, at: error.at, reason: error.reason });
        throw error;
      }
    },
    probe: async ({ tenantId, url, purpose }) => {
      const { host, port } = parseTarget(url);
      const findIt = () => deps.database.asTenant(tenantId, (tx) => findRule(tx, { tenantId, purpose, host, port }));
      await admit({ host, port, findRule: findIt }, lookup);
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
  };
  return {
    egress,
    routes: egressRoutes({ ...deps, egress }),
    close: () => pools.close(),
  };
}
