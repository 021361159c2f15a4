import { LRUCache } from "lru-cache";
import type { Log } from "#server/kernel/log.ts";
import type { DenialReason } from "./denied.ts";
import type { EgressPurpose } from "#contract/egress.ts";
import type { Audit, Database } from "#server/kernel/ports.ts";

const WINDOW_MS = 60_000;
const ROWS_PER_WINDOW = 60;

export type Denial = { tenantId: string; purpose: EgressPurpose; at: string; reason: DenialReason };
type Deps = { database: Database; audit: Audit; log: Log; now: () => Date };
type Window = { endsAt: number; rows: number; targets: Set<string>; suppressed: number };

/**
 * Audits denials, but never lets a loop of denied calls fill the trail: within a minute each target once and each tenant
 * 60 rows; the next row says how many were left out. A failure to record leaves the denial a denial.
 */
export function denialRecord({ database, audit, log, now }: Deps): (denial: Denial) => Promise<void> {
  const windows = new LRUCache<string, Window>({ max: 10_000 });

  const admitRow = ({ tenantId, purpose, at }: Denial): { suppressed: number } | undefined => {
    const time = now().getTime();
    const open = windows.get(tenantId);
    const window =
      open && open.endsAt > time
        ? open
        : { endsAt: time + WINDOW_MS, rows: 0, targets: new Set<string>(), suppressed: open?.suppressed ?? 0 };
    windows.set(tenantId, window);
    const target = `${purpose} ${at}`;
    if (window.targets.has(target) || window.rows >= ROWS_PER_WINDOW) {
      window.suppressed += 1;
      return undefined;
    }
    window.targets.add(target);
    window.rows += 1;
    const { suppressed } = window;
    window.suppressed = 0;
    return { suppressed };
  };

  return async (denial) => {
    const row = admitRow(denial);
    if (!row) return;
    const { tenantId, purpose, at, reason } = denial;
    try {
      await database.asTenant(tenantId, (tx) =>
        audit.record(tx, {
          tenantId,
          actor: "platform",
          action: "egress.denied",
          target: `address:${at}`,
          outcome: "deny",
          reason,
          details: { purpose, suppressedBefore: row.suppressed },
        }),
      );
    } catch (error) {
      log.error("a denied connection could not be audited", { tenantId, at, error });
    }
  };
}
