import { createSecretKey, randomBytes, randomUUID, type KeyObject } from "node:crypto";
import { AppError } from "#server/kernel/errors.ts";
import type { Database, Tx } from "#server/kernel/ports.ts";
import { deriveSecret } from "./master-key.ts";
import { fromSealedText, seal, toSealedText, unseal } from "./seal.ts";

export type TenantKey = { readonly id: string; readonly key: KeyObject };

/**
 * master key → tenant key → value. A tenant's key is random, made on first use, and stored only wrapped under the master
 * key. Keys are held as `KeyObject`s: several times faster than buffers, and they do not print.
 */
export type Keyring = {
  /** Loads the tenant's keys, making the first one when there is none. Cheap after the first call. */
  prepare(tenantId: string): Promise<void>;
  /** The key for new values. `internal` when `prepare` was not awaited: a bug. */
  current(tenantId: string): TenantKey;
  /** Any key version of the tenant; undefined when it is not known here. */
  find(tenantId: string, keyId: string): KeyObject | undefined;
  /** See `deriveSecret` of the master key. */
  deriveSecret(purpose: string): Buffer;
};

type Held = { current: TenantKey; byId: Map<string, KeyObject> };
type Row = { key_id: string; wrapped: string };

export function createKeyring({ database, masterKey }: { database: Database; masterKey: Buffer }): Keyring {
  const held = new Map<string, Held>();
  const loading = new Map<string, Promise<void>>();
  const master = createWrapping(masterKey);

  const load = async (tenantId: string): Promise<void> => {
    const rows = await database.asTenant(tenantId, (tx) => selectOrCreate(tx, tenantId, master));
    const keys = rows.map((row) => ({ id: row.key_id, key: master.unwrap(tenantId, row) }));
    const newest = keys.at(-1);
    if (!newest) throw new AppError("internal", `Tenant ${tenantId} has no key after one was made.`);
    held.set(tenantId, { current: newest, byId: new Map(keys.map(({ id, key }) => [id, key])) });
  };

  return {
    prepare: async (tenantId) => {
      if (held.has(tenantId)) return;
      const underWay = loading.get(tenantId) ?? load(tenantId).finally(() => loading.delete(tenantId));
      loading.set(tenantId, underWay);
      await underWay;
    },
    current: (tenantId) => {
      const keys = held.get(tenantId);
      if (!keys) throw new AppError("internal", `The keys of tenant ${tenantId} are not loaded; prepare(tenantId) must come first.`);
      return keys.current;
    },
    find: (tenantId, keyId) => held.get(tenantId)?.byId.get(keyId),
    deriveSecret: (purpose) => deriveSecret(masterKey, purpose),
  };
}

async function selectOrCreate(tx: Tx, tenantId: string, master: Wrapping): Promise<Row[]> {
  const existing = await selectKeys(tx, tenantId);
  if (existing.length > 0) return existing;
  const keyId = randomUUID();
  await tx.query("insert into tenant_keys (tenant_id, version, key_id, wrapped) values ($1, 1, $2, $3) on conflict do nothing", [
    tenantId,
    keyId,
    master.wrap(tenantId, keyId, randomBytes(32)),
  ]);
  return selectKeys(tx, tenantId);
}

const selectKeys = (tx: Tx, tenantId: string): Promise<Row[]> =>
  tx.query<Row>("select key_id, wrapped from tenant_keys where tenant_id = $1 order by version", [tenantId]);

type Wrapping = {
  wrap(tenantId: string, keyId: string, key: Buffer): string;
  unwrap(tenantId: string, row: Row): KeyObject;
};

function createWrapping(masterKey: Buffer): Wrapping {
  const key = createSecretKey(deriveSecret(masterKey, "wrap tenant keys"));
  /** Says which master key wrapped a row, so that a wrong one is told apart from a changed row. */
  const masterId = deriveSecret(masterKey, "master key id").toString("hex", 0, 8);
  const aad = (tenantId: string, keyId: string): string => JSON.stringify(["v1", tenantId, "tenant_keys", keyId, masterId]);
  return {
    wrap: (tenantId, keyId, plain) => toSealedText(masterId, seal(key, plain, aad(tenantId, keyId))),
    unwrap: (tenantId, row) => {
      const stored = fromSealedText(row.wrapped);
      if (stored && stored.keyId !== masterId) {
        throw new AppError("config_invalid", `The keys of tenant ${tenantId} were made with another master key (${stored.keyId}).`, {
          remedy: "Start with the AUTERITY_ENCRYPTION_KEY, or the master.key file, that this database was created with.",
        });
      }
      const plain = stored && unseal(key, stored.sealed, aad(tenantId, row.key_id));
      if (!plain) throw new AppError("internal", `The stored key ${row.key_id} of tenant ${tenantId} was changed; it does not open.`);
      return createSecretKey(plain);
    },
  };
}
