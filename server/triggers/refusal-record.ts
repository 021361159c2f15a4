import { LRUCache } from "lru-cache";
import type { AppError } from "#server/kernel/errors.ts";
import type { TriggersDeps } from "./ports.ts";

const WINDOW_MS = 60_000;
type Window = { endsAt: number; suppressed: number };

/**
 * Audits refused calls, once a minute for each webhook and reason, so that whoever knows an address cannot fill the trail; the
 * next row says how many were left out. A failure to record leaves the refusal a refusal.
 */
export function refusalRecord({ database, audit, log, now }: Pick<TriggersDeps, "database" | "audit" | "log" | "now">) {
  const windows = new LRUCache<string, Window>({ max: 10_000 });
  return async ({ id, tenantId }: { id: string; tenantId: string }, { code }: AppError): Promise<void> => {
    const key = `${id} ${code}`;
    const time = now().getTime();
    const open = windows.get(key);
    if (open && open.endsAt > time) {
      open.suppressed += 1;
      return;
    }
    windows.set(key, { endsAt: time + WINDOW_MS, suppressed: 0 });
    const details = { suppressedBefore: open?.suppressed ?? 0 };
    const row = {
      tenantId,
      actor: `webhook:${id}`,
      action: "webhook.refused",
      target: `webhook:${id}`,
      outcome: "deny",
      reason: code,
      details,
    } as const;
    try {
      await database.asTenant(tenantId, (tx) => audit.record(tx, row));
    } catch (error) {
      log.error("a refused webhook call could not be audited", { webhookId: id, error });
    }
  };
}
