import * as contract from "#contract/egress.ts";
import type { EgressTarget } from "#contract/egress.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { handle, type Handled } from "#server/kernel/handle.ts";
import { decodeCursor, toPage } from "#server/kernel/paging.ts";
import type { Audit, Database, Egress } from "#server/kernel/ports.ts";
import { findTarget, listTargets, removeRule, type RuleKey } from "./rules.ts";
import { parseTarget } from "./target.ts";

type Deps = { database: Database; audit: Audit; egress: Egress };

const CURSOR = [/^[a-z0-9_]{1,32}$/, /^[^\s]{1,253}$/, /^\d{1,5}$/] as const;

export const egressRoutes = (deps: Deps): Handled[] => [
  handle(contract.listEgressTargets, async ({ caller, query: { limit, cursor } }) => {
    const after = decodeCursor(cursor, CURSOR);
    const rows = await deps.database.asTenant(caller.tenantId, (tx) => listTargets(tx, after, limit + 1));
    return toPage(rows, { limit, map: (target) => target, key: ({ purpose, host, port }) => [purpose, host, String(port)] });
  }),
  handle(contract.allowEgressTarget, ({ caller, body }) => allowTarget(deps, caller, body)),
  handle(contract.forbidEgressTarget, async ({ caller, query }): Promise<undefined> => {
    await forbidTarget(deps, caller, { ...query, tenantId: caller.tenantId });
  }),
];

async function allowTarget(
  { database, egress }: Deps,
  { tenantId, ref }: Caller,
  { url, purpose }: Pick<RuleKey, "purpose"> & { url: string },
) {
  const { host, port } = parseTarget(url);
  return database.asTenant(tenantId, async (tx): Promise<EgressTarget> => {
    await egress.allow(tx, { tenantId, url, purpose, actor: ref });
    const target = await findTarget(tx, { tenantId, purpose, host, port });
    if (!target) throw new AppError("internal", "The rule was neither made nor found.");
    return target;
  });
}

async function forbidTarget({ database, audit }: Deps, { ref }: Caller, rule: RuleKey): Promise<void> {
  const { tenantId, purpose, host, port } = rule;
  await database.asTenant(tenantId, async (tx) => {
    if (!(await removeRule(tx, rule))) throw new AppError("not_found", `${host}:${port} is not allowed for ${purpose}.`);
    await audit.record(tx, { tenantId, actor: ref, action: "egress.forbidden", target: `address:${host}:${port}`, details: { purpose } });
  });
}
