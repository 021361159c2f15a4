import { lookup as dnsLookup } from "node:dns/promises";
import type { EgressPurpose } from "#contract/egress.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Handled } from "#server/kernel/handle.ts";
import type { Audit, Database, Egress } from "#server/kernel/ports.ts";
import { admit, reachOf, type Lookup } from "./admission.ts";
import { EgressDenied } from "./denied.ts";
import { denialRecord } from "./denial-record.ts";
import { guardedSocket } from "./guarded-connect.ts";
import { guardedFetch } from "./guarded-fetch.ts";
import { egressRoutes } from "./routes.ts";
import { saveRule } from "./rules.ts";
import { createSocketPools, destinations } from "./socket-pools.ts";
import { parseTarget, plainTarget } from "./target.ts";

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

  /** Denials are audited. */
  const recorded = async <T>(tenantId: string, purpose: EgressPurpose, open: () => Promise<T>): Promise<T> => {
    try {
      return await open();
    } catch (error) {
      if (error instanceof EgressDenied) await recordDenial({ tenantId, purpose, at: error.at, reason: error.reason });
      throw error;
    }
  };

  const egress: Egress = {
    fetchFor: (tenantId, purpose, options) => (input, init) =>
      recorded(tenantId, purpose, () => guardedFetch(pools.of(tenantId, purpose), options)(input, init)),
    connectFor: (tenantId, purpose) => (target) =>
      recorded(tenantId, purpose, async () => {
        const destination = destinations(deps.database, tenantId, purpose);
        return guardedSocket({ lookup, destination }, plainTarget(target));
      }),
    probe: async ({ tenantId, url, purpose }) => {
      const { host, port } = parseTarget(url);
      await admit(destinations(deps.database, tenantId, purpose)(host, port), lookup);
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
