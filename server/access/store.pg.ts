import { z } from "zod";
import { ROLE_PERMISSIONS, ROLES } from "#contract/permissions.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { Database, Tx } from "#server/kernel/ports.ts";

/** Before the credential is known there is no tenant: this one has no rows. */
const NO_TENANT = "00000000-0000-0000-0000-000000000000";

const PrincipalKind = z.enum(["user", "service_account", "agent"]);
export type Principal = { id: string; tenantId: string; kind: z.infer<typeof PrincipalKind>; name: string; role: Caller["role"] };
export type Found = { credentialId: string; principal: Principal; tenantName: string; seenAt: Date | null };

const FoundRow = z.object({
  credential_id: z.string(),
  tenant_id: z.string(),
  tenant_name: z.string(),
  principal_id: z.string(),
  kind: PrincipalKind,
  name: z.string(),
  role: z.enum(ROLES).nullable(),
  seen_at: z.date().nullable(),
});

const foundFromRow = (row: unknown): Found => {
  const r = FoundRow.parse(row);
  const principal = { id: r.principal_id, tenantId: r.tenant_id, kind: r.kind, name: r.name, role: r.role };
  return { credentialId: r.credential_id, principal, tenantName: r.tenant_name, seenAt: r.seen_at };
};

/** The living credential with this hash, of a principal that is not disabled. */
export async function findCredential(database: Database, kind: "token" | "session" | "link", hash: Buffer): Promise<Found | undefined> {
  const rows = await database.asTenant(NO_TENANT, (tx) => tx.query("select * from auterity_find_credential($1, $2)", [kind, hash]));
  return rows[0] === undefined ? undefined : foundFromRow(rows[0]);
}

type NewCredential = { id: string; principal: Principal; hash: Buffer };

export async function insertToken(tx: Tx, token: NewCredential & { name: string }): Promise<void> {
  await tx.query("insert into api_tokens (id, tenant_id, principal_id, name, hash) values ($1, $2, $3, $4, $5)", [
    token.id,
    token.principal.tenantId,
    token.principal.id,
    token.name,
    token.hash,
  ]);
}

/** False when it was not there, or revoked before. */
export async function revokeToken(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query("update api_tokens set revoked_at = now() where id = $1 and revoked_at is null returning id", [id]);
  return rows.length === 1;
}

export async function insertLink(tx: Tx, link: NewCredential & { livesMs: number }): Promise<Date> {
  const rows = await tx.query<{ expires_at: Date }>(
    `insert into sign_in_links (id, tenant_id, principal_id, hash, expires_at)
     values ($1, $2, $3, $4, now() + $5 * interval '1 millisecond') returning expires_at`,
    [link.id, link.principal.tenantId, link.principal.id, link.hash, link.livesMs],
  );
  return z.object({ expires_at: z.date() }).parse(rows[0]).expires_at;
}

/** True for exactly one caller, however many come at once. */
export async function claimLink(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query(
    "update sign_in_links set used_at = now() where id = $1 and used_at is null and expires_at > now() returning id",
    [id],
  );
  return rows.length === 1;
}

export async function insertSession(tx: Tx, session: NewCredential & { livesMs: number }): Promise<void> {
  await tx.query(
    `insert into sessions (id, tenant_id, principal_id, hash, expires_at)
     values ($1, $2, $3, $4, now() + $5 * interval '1 millisecond')`,
    [session.id, session.principal.tenantId, session.principal.id, session.hash, session.livesMs],
  );
}

export async function touchSession(tx: Tx, id: string): Promise<void> {
  await tx.query("update sessions set seen_at = now() where id = $1 and ended_at is null", [id]);
}

export async function endSession(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query("update sessions set ended_at = now() where id = $1 and ended_at is null returning id", [id]);
  return rows.length === 1;
}

/** Makes the tenant and the named principal unless they are there; safe to call from several processes at once. */
export async function ensurePrincipal(
  tx: Tx,
  tenantName: string,
  principal: Principal,
): Promise<{ principal: Principal; created: boolean }> {
  await tx.query("insert into tenants (id, name) values ($1, $2) on conflict (id) do nothing", [principal.tenantId, tenantName]);
  const created = await tx.query(
    `insert into principals (id, tenant_id, kind, name, role) values ($1, $2, $3, $4, $5)
     on conflict (tenant_id, kind, name) do nothing returning id`,
    [principal.id, principal.tenantId, principal.kind, principal.name, principal.role],
  );
  const rows = await tx.query("select id, role from principals where tenant_id = $1 and kind = $2 and name = $3", [
    principal.tenantId,
    principal.kind,
    principal.name,
  ]);
  const row = z.object({ id: z.string(), role: z.enum(ROLES).nullable() }).parse(rows[0]);
  return { principal: { ...principal, ...row }, created: created.length === 1 };
}

export async function tenantName(tx: Tx, tenantId: string): Promise<string> {
  const rows = await tx.query("select name from tenants where id = $1", [tenantId]);
  return z.object({ name: z.string() }).parse(rows[0]).name;
}

export const principalOf = (caller: Caller): Principal => ({
  id: caller.principalId,
  tenantId: caller.tenantId,
  kind: caller.kind,
  name: caller.name,
  role: caller.role,
});

export function callerOf(principal: Principal): Caller {
  return {
    tenantId: principal.tenantId,
    principalId: principal.id,
    ref: `${principal.kind}:${principal.id}`,
    name: principal.name,
    kind: principal.kind,
    role: principal.role,
    permissions: new Set(principal.role === null ? [] : ROLE_PERMISSIONS[principal.role]),
  };
}
