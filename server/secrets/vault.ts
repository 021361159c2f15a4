import type { Environment, Page, PageQuery } from "#contract/common.ts";
import type { Secret } from "#contract/secrets.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { decodeCursor, toPage } from "#server/kernel/paging.ts";
import type { Audit, Database, SecretReader, SecretWriter, Tx } from "#server/kernel/ports.ts";
import type { Keyring } from "./keyring.ts";
import type { TrackingRedactor } from "./redactor.ts";
import { fromSealedText, seal, toSealedText, unseal } from "./seal.ts";

export type VaultDeps = { database: Database; keyring: Keyring; redactor: TrackingRedactor; audit: Audit; newId: () => string };
type Named = { name: string; environment: Environment };
type ListRow = { name: string; environment: Environment; created_at: Date; updated_at: Date };
type Place = { tenantId: string; id: string; version: number };

const COLUMNS = "name, environment, created_at, updated_at";
const CURSOR = [/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, /^(production|test)$/] as const;

/** Stores or replaces a secret. The value is known to the redactor from here on, so that an echo of it is caught too. */
export const putSecret =
  ({ database, keyring, redactor, audit, newId }: VaultDeps) =>
  async (caller: Caller, { name, environment, value }: Named & { value: string }): Promise<Secret> => {
    const { tenantId } = caller;
    redactor.track(value);
    await keyring.prepare(tenantId);
    return database.asTenant(tenantId, async (tx) => {
      // Whatever it was stored for: now it is what a person has given.
      const place = { tenantId, ...(await lockPlace(tx, { tenantId, name, environment, newId })) };
      const stored = await sealInto(tx, keyring, { place, name, value, madeFor: null });
      const action = place.version === 1 ? "secret.created" : "secret.replaced";
      await audit.record(tx, { tenantId, actor: caller.ref, action, target: target({ name, environment }) });
      return stored;
    });
  };

type Sealing = { place: Place; name: string; value: string; madeFor: string | null };

async function sealInto(tx: Tx, keyring: Keyring, { place, name, value, madeFor }: Sealing): Promise<Secret> {
  const { id: keyId, key } = keyring.current(place.tenantId);
  const sealed = toSealedText(keyId, seal(key, Buffer.from(value), aad(place, keyId)));
  const [row] = await tx.query<ListRow>(
    `update secrets set value = $2, version = $3, made_for = $4, updated_at = now() where id = $1 returning ${COLUMNS}`,
    [place.id, sealed, place.version, madeFor],
  );
  if (!row) throw new AppError("conflict", `The secret ${name} was deleted while it was being replaced.`);
  return fromRow(row);
}

/** See the port. The value is known to the redactor even if the transaction comes to nothing. */
export const secretWriter = ({ keyring, redactor, newId }: VaultDeps): SecretWriter => ({
  prepare: (tenantId) => keyring.prepare(tenantId),
  names: async (tx, environment) => {
    const rows = await tx.query<{ name: string }>("select name from secrets where environment = $1", [environment]);
    return new Set(rows.map(({ name }) => name));
  },
  madeFor: async (tx, serverId) => {
    const rows = await tx.query<{ name: string }>("select name from secrets where made_for = $1 order by name", [serverId]);
    return rows.map(({ name }) => name);
  },
  handOver: async (tx, { name, environment }, serverId) => {
    await tx.query("update secrets set made_for = $3 where name = $1 and environment = $2", [name, environment, serverId]);
  },
  remove: async (tx, { tenantId, actor, name, environment, because }) => {
    await tx.query("delete from secrets where name = $1 and environment = $2", [name, environment]);
    const details = { because };
    return { tenantId, actor, action: "secret.deleted", target: target({ name, environment }), details };
  },
  create: async (tx, { tenantId, actor, name, environment, value, madeFor }) => {
    redactor.track(value);
    const place = { tenantId, ...(await lockPlace(tx, { tenantId, name, environment, newId })) };
    if (place.version !== 1) throw new AppError("conflict", `There is a secret ${name} in ${environment} by now.`);
    await sealInto(tx, keyring, { place, name, value, madeFor });
    return { tenantId, actor, action: "secret.created", target: target({ name, environment }) };
  },
});

/** Locks the row (an empty one, if it is new) and says which version comes next: the version is part of what is sealed. */
async function lockPlace(tx: Tx, at: Named & { tenantId: string; newId: () => string }): Promise<{ id: string; version: number }> {
  const [row] = await tx.query<{ id: string; version: number }>(
    `insert into secrets (id, tenant_id, name, environment, version, value) values ($1, $2, $3, $4, 0, '')
     on conflict (tenant_id, name, environment) do update set version = secrets.version returning id, version`,
    [at.newId(), at.tenantId, at.name, at.environment],
  );
  if (!row) throw new AppError("internal", "The secret's row was neither made nor found.");
  return { id: row.id, version: row.version + 1 };
}

export const deleteSecret =
  ({ database, audit }: VaultDeps) =>
  async (caller: Caller, { name, environment }: Named): Promise<void> =>
    database.asTenant(caller.tenantId, async (tx) => {
      const gone = await tx.query("delete from secrets where name = $1 and environment = $2 returning id", [name, environment]);
      if (gone.length === 0) throw new AppError("not_found", `There is no secret ${name} in ${environment}.`);
      await audit.record(tx, {
        tenantId: caller.tenantId,
        actor: caller.ref,
        action: "secret.deleted",
        target: target({ name, environment }),
      });
    });

/** By name, then environment. */
export const listSecrets =
  ({ database }: VaultDeps) =>
  async (tenantId: string, { limit, cursor }: PageQuery): Promise<Page<Secret>> => {
    const [name = "", environment = ""] = decodeCursor(cursor, CURSOR) ?? [];
    const rows = await database.asTenant(tenantId, (tx) =>
      tx.query<ListRow>(`select ${COLUMNS} from secrets where (name, environment) > ($1, $2) order by name, environment limit $3`, [
        name,
        environment,
        limit + 1,
      ]),
    );
    return toPage(rows, { limit, map: fromRow, key: (row) => [row.name, row.environment] });
  };

/** The value leaves the vault only here, after the use is on record and the redactor knows it. */
export const secretReader = ({ database, keyring, redactor, audit }: VaultDeps): SecretReader => ({
  read: async ({ tenantId, name, environment, usedBy }) => {
    await keyring.prepare(tenantId);
    const row = await database.asTenant(tenantId, async (tx) => {
      const [found] = await tx.query<{ id: string; version: number; value: string }>(
        "select id, version, value from secrets where name = $1 and environment = $2",
        [name, environment],
      );
      if (!found) throw new AppError("secret_missing", `There is no secret ${name} in ${environment}.`);
      await audit.record(tx, { tenantId, actor: usedBy, action: "secret.used", target: `secret:${environment}/${name}` });
      return found;
    });
    const value = open(keyring, { tenantId, id: row.id, version: row.version }, row.value);
    redactor.track(value);
    return value;
  },
});

function open(keyring: Keyring, place: Place, text: string): string {
  const stored = fromSealedText(text);
  const key = stored && keyring.find(place.tenantId, stored.keyId);
  const plain = stored && key && unseal(key, stored.sealed, aad(place, stored.keyId));
  if (!plain) throw new AppError("internal", `The stored value of secrets:${place.id} was changed; it does not open.`);
  return plain.toString("utf8");
}

const aad = ({ tenantId, id, version }: Place, keyId: string): string => JSON.stringify(["v1", tenantId, "secrets", id, version, keyId]);
const target = ({ name, environment }: Named): string => `secret:${environment}/${name}`;
const fromRow = (row: ListRow): Secret => ({
  name: row.name,
  environment: row.environment,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
