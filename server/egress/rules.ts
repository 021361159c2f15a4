import type { EgressPurpose, Tx } from "#server/kernel/ports.ts";

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
