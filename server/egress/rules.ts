import type { EgressPurpose, EgressTarget } from "#contract/egress.ts";
import type { Tx } from "#server/kernel/ports.ts";

/** `private` opens private addresses too; `public` opens an unusual port of a host that was public at registration. */
export type Reach = "public" | "private";
export type RuleKey = { tenantId: string; purpose: EgressPurpose; host: string; port: number };

/** The reach of exactly this target. Host and port must be equal: no wildcards, no suffixes. */
export async function findRule(tx: Tx, { tenantId, purpose, host, port }: RuleKey): Promise<Reach | undefined> {
  const [row] = await tx.query<{ reach: Reach }>(
    "select reach from egress_allow where tenant_id = $1 and purpose = $2 and host = $3 and port = $4",
    [tenantId, purpose, host, port],
  );
  return row?.reach;
}

/** True when something changed. A reach once `private` is not narrowed by a later registration. */
export async function saveRule(tx: Tx, rule: RuleKey & { reach: Reach; createdBy: string }): Promise<boolean> {
  const rows = await tx.query(
    `insert into egress_allow (tenant_id, purpose, host, port, reach, created_by) values ($1, $2, $3, $4, $5, $6)
     on conflict (tenant_id, purpose, host, port) do update set reach = excluded.reach, created_by = excluded.created_by
       where egress_allow.reach = 'public' and excluded.reach = 'private'
     returning reach`,
    [rule.tenantId, rule.purpose, rule.host, rule.port, rule.reach, rule.createdBy],
  );
  return rows.length > 0;
}

type TargetRow = Omit<EgressTarget, "createdBy" | "createdAt"> & { created_by: string; created_at: Date };
const COLUMNS = "purpose, host, port, reach, created_by, created_at";
const fromRow = ({ created_by: createdBy, created_at: createdAt, ...row }: TargetRow): EgressTarget => ({
  ...row,
  createdBy,
  createdAt: createdAt.toISOString(),
});

export async function findTarget(tx: Tx, { tenantId, purpose, host, port }: RuleKey): Promise<EgressTarget | undefined> {
  const [row] = await tx.query<TargetRow>(
    `select ${COLUMNS} from egress_allow where tenant_id = $1 and purpose = $2 and host = $3 and port = $4`,
    [tenantId, purpose, host, port],
  );
  return row && fromRow(row);
}

/** By purpose, host and port. */
export async function listTargets(tx: Tx, after: readonly string[] | undefined, limit: number): Promise<EgressTarget[]> {
  const [purpose = "", host = "", port = "0"] = after ?? [];
  const rows = await tx.query<TargetRow>(
    `select ${COLUMNS} from egress_allow where (purpose, host, port) > ($1, $2, $3::integer) order by purpose, host, port limit $4`,
    [purpose, host, port, limit],
  );
  return rows.map(fromRow);
}

/** False when there is none. */
export async function removeRule(tx: Tx, { tenantId, purpose, host, port }: RuleKey): Promise<boolean> {
  const gone = await tx.query("delete from egress_allow where tenant_id = $1 and purpose = $2 and host = $3 and port = $4 returning port", [
    tenantId,
    purpose,
    host,
    port,
  ]);
  return gone.length > 0;
}
