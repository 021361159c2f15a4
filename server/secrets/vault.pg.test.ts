import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { deleteSecret, listSecrets, putSecret } from "#contract/secrets.ts";
import { newId } from "#server/kernel/ids.ts";
import type { AuditRecord } from "#server/kernel/ports.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { REDACTED, createKeyring, createRedactor, createSecrets } from "./index.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

const masterKey = randomBytes(32);
const CANARY = `sk-canary-${newId()}`;

/** A process of its own on the same database. */
function vaultOn(key = masterKey) {
  const audited: AuditRecord[] = [];
  const keyring = createKeyring({ database: db.database, masterKey: key });
  const redactor = createRedactor();
  const audit = { record: async (_tx: unknown, entry: AuditRecord) => void audited.push(entry) };
  return { ...createSecrets({ database: db.database, keyring, redactor, audit, newId }), keyring, redactor, audited };
}

describe("the vault", () => {
  let vault: ReturnType<typeof vaultOn>;
  let tenantId = "";
  beforeEach(async () => {
    vault = vaultOn();
    tenantId = await db.secondTenant();
  });
  const put = (name: string, value: string, environment = "production") =>
    callRoute(vault.routes, putSecret, { caller: ownerOf(tenantId), params: { name }, body: { value, environment } });
  const read = (name: string, environment = "production") => vault.reader.read({ tenantId, name, environment, usedBy: "agent:writer" });

  test("gives a value only to readers, and tells the redactor first", async () => {
    const answer = await put("KEY", CANARY);
    expect(answer).toEqual({ name: "KEY", environment: "production", createdAt: expect.any(String), updatedAt: expect.any(String) });
    const elsewhere = vaultOn();
    expect(elsewhere.redactor.text(CANARY)).toBe(CANARY);
    expect(await elsewhere.reader.read({ tenantId, name: "KEY", environment: "production", usedBy: "agent:writer" })).toBe(CANARY);
    expect(elsewhere.redactor.text(`key ${CANARY}`)).toBe(`key ${REDACTED}`);
  });

  test("redacts a value from the moment it is stored, also the one it replaces", async () => {
    await put("KEY", "first-value-1");
    await put("KEY", "second-value-2");
    expect(await read("KEY")).toBe("second-value-2");
    expect(vault.redactor.text("first-value-1 second-value-2")).toBe(`${REDACTED} ${REDACTED}`);
  });

  test("knows what was stored for a server, until a person replaces it; another tenant and environment have their own", async () => {
    const [serverId, heir] = [newId(), newId()];
    const stranger = await db.secondTenant();
    const store = async (of: string, name: string, environment: "production" | "test" = "production"): Promise<void> => {
      await vault.prepare(of);
      const secret = { tenantId: of, actor: "user:1", name, environment, value: `value-of-${name}`, madeFor: serverId };
      expect(await db.database.asTenant(of, (tx) => vault.create(tx, secret))).toMatchObject({ action: "secret.created", tenantId: of });
    };
    const madeFor = (id: string, of = tenantId) => db.database.asTenant(of, (tx) => vault.madeFor(tx, id));
    for (const name of ["A", "B", "C"]) await store(tenantId, name);
    await store(stranger, "A");
    await put("B", "a-value-of-my-own");
    await put("A", "for-tests", "test");
    const place = { tenantId, environment: "production" } as const;
    await db.database.asTenant(tenantId, async (tx) => {
      await vault.handOver(tx, { ...place, name: "C" }, heir);
      expect(await vault.madeFor(tx, serverId)).toEqual(["A"]);
      expect(await vault.remove(tx, { ...place, name: "A", actor: "user:1", because: `mcp_server:${serverId}` })).toMatchObject({
        action: "secret.deleted",
        target: "secret:production/A",
        details: { because: `mcp_server:${serverId}` },
      });
    });
    expect([await madeFor(serverId), await madeFor(heir), await madeFor(serverId, stranger)]).toEqual([[], ["C"], ["A"]]);
    await expect(read("A")).rejects.toMatchObject({ code: "secret_missing" });
    expect([await read("A", "test"), await read("B")]).toEqual(["for-tests", "a-value-of-my-own"]);
  });

  test("keeps environments apart", async () => {
    await put("KEY", "for-production");
    await put("KEY", "for-tests", "test");
    expect(await read("KEY")).toBe("for-production");
    expect(await read("KEY", "test")).toBe("for-tests");
  });

  test("records who stored, used and deleted a secret, never its value", async () => {
    await put("KEY", CANARY);
    await put("KEY", CANARY);
    await read("KEY");
    await callRoute(vault.routes, deleteSecret, { caller: ownerOf(tenantId), params: { name: "KEY" } });
    expect(vault.audited.map(({ actor, action, target }) => `${actor} ${action} ${target}`)).toEqual([
      "user:owner secret.created secret:production/KEY",
      "user:owner secret.replaced secret:production/KEY",
      "agent:writer secret.used secret:production/KEY",
      "user:owner secret.deleted secret:production/KEY",
    ]);
    expect(JSON.stringify(vault.audited)).not.toContain(CANARY);
  });

  test("lists names in pages", async () => {
    for (const name of ["b", "a", "C", "_d"]) await put(name, "value-of-it");
    await put("a", "value-of-it", "test");
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await callRoute(vault.routes, listSecrets, {
        caller: ownerOf(tenantId),
        query: { limit: "2", ...(cursor ? { cursor } : {}) },
      });
      names.push(...page.items.map((secret) => `${secret.name}/${secret.environment}`));
      cursor = page.nextCursor ?? undefined;
    } while (cursor);
    expect(names.toSorted()).toEqual(["C/production", "_d/production", "a/production", "a/test", "b/production"]);
    await expect(callRoute(vault.routes, listSecrets, { caller: ownerOf(tenantId), query: { cursor: "x" } })).rejects.toMatchObject({
      code: "cursor_invalid",
    });
  });

  test("names what is missing", async () => {
    await expect(read("NOPE")).rejects.toMatchObject({ code: "secret_missing", message: expect.stringContaining("NOPE in production") });
    await expect(callRoute(vault.routes, deleteSecret, { caller: ownerOf(tenantId), params: { name: "NOPE" } })).rejects.toMatchObject({
      code: "not_found",
    });
  });

  test("shows one tenant nothing of another", async () => {
    await put("KEY", CANARY);
    const other = await db.secondTenant();
    await expect(vault.reader.read({ tenantId: other, name: "KEY", environment: "production", usedBy: "x" })).rejects.toMatchObject({
      code: "secret_missing",
    });
    const page = await callRoute(vault.routes, listSecrets, { caller: ownerOf(other) });
    expect(page.items).toEqual([]);
  });

  test("is closed to the worker role", async () => {
    for (const table of ["secrets", "tenant_keys", "egress_allow"]) {
      await expect(db.database.asWorker((tx) => tx.query(`select * from ${table}`))).rejects.toMatchObject({ code: "42501" });
    }
  });

  test("stores only ciphertext, different for equal values", async () => {
    await put("A", CANARY);
    await put("B", CANARY);
    const { rows } = await db.ownerPool.query<{ value: string }>("select value from secrets where tenant_id = $1", [tenantId]);
    expect(new Set(rows.map(({ value }) => value)).size).toBe(2);
    for (const { value } of rows) expect(value).toMatch(/^v1:[0-9a-f-]{36}:[A-Za-z0-9+/]+=*$/);
  });

  test("does not open a value that was moved to another row or put back from before", async () => {
    await put("A", "value-of-a");
    await put("B", "value-of-b");
    const [before] = (
      await db.ownerPool.query<{ value: string }>("select value from secrets where tenant_id = $1 and name = 'A'", [tenantId])
    ).rows;
    await put("A", "newer-value-of-a");
    for (const name of ["A", "B"]) {
      await db.ownerPool.query("update secrets set value = $1 where tenant_id = $2 and name = $3", [before?.value, tenantId, name]);
      await expect(read(name)).rejects.toMatchObject({ code: "internal", message: expect.stringContaining("changed") });
    }
  });

  test("does not open a value with a flipped bit", async () => {
    await put("A", "value-of-a");
    const { rows } = await db.ownerPool.query<{ value: string }>("select value from secrets where tenant_id = $1", [tenantId]);
    const [version = "", keyId = "", body = ""] = rows[0]?.value.split(":") ?? [];
    const bytes = Buffer.from(body, "base64");
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      await db.ownerPool.query("update secrets set value = $2 where tenant_id = $1", [
        tenantId,
        [version, keyId, flipped.toString("base64")].join(":"),
      ]);
      await expect(read("A")).rejects.toMatchObject({ code: "internal" });
    }
  });

  test("keeps one value when many write at once", async () => {
    await Promise.all(Array.from({ length: 8 }, (_, i) => put("KEY", `value-number-${i}`)));
    expect(await read("KEY")).toMatch(/^value-number-\d$/);
    const { rows } = await db.ownerPool.query("select version from secrets where tenant_id = $1", [tenantId]);
    expect(rows).toEqual([{ version: 8 }]);
  });
});

describe("the keyring", () => {
  test("makes one key per tenant, also when processes start at once", async () => {
    const tenantId = await db.secondTenant();
    const rings = Array.from({ length: 6 }, () => vaultOn().keyring);
    await Promise.all(rings.flatMap((ring) => [ring.prepare(tenantId), ring.prepare(tenantId)]));
    expect(new Set(rings.map((ring) => ring.current(tenantId).id)).size).toBe(1);
    const { rows } = await db.ownerPool.query("select count(*)::int as keys from tenant_keys where tenant_id = $1", [tenantId]);
    expect(rows).toEqual([{ keys: 1 }]);
  });

  test("lets what one process encrypts be read by another", async () => {
    const [one, two] = [vaultOn(), vaultOn()];
    const at = { tenantId: db.tenantId, row: "runs:1:input" };
    await one.codec.prepare(db.tenantId);
    await two.codec.prepare(db.tenantId);
    expect(two.codec.decode(one.codec.encode({ iban: "x" }, { ...at, confidential: true }), at)).toEqual({ iban: "x" });
  });

  test("is a bug to use before its keys are loaded", () => {
    const encode = () => vaultOn().codec.encode("x", { tenantId: db.tenantId, row: "r", confidential: true });
    expect(encode).toThrow(expect.objectContaining({ code: "internal" }));
  });

  test("says that the master key is another one, and recovers with the right one", async () => {
    const tenantId = await db.secondTenant();
    await vaultOn().keyring.prepare(tenantId);
    await expect(vaultOn(randomBytes(32)).keyring.prepare(tenantId)).rejects.toMatchObject({
      code: "config_invalid",
      remedy: expect.stringContaining("AUTERITY_ENCRYPTION_KEY"),
    });
    await expect(vaultOn().keyring.prepare(tenantId)).resolves.toBeUndefined();
  });

  test("does not take a key that was copied from another tenant", async () => {
    const [from, to] = [await db.secondTenant(), await db.secondTenant()];
    await vaultOn().keyring.prepare(from);
    await db.ownerPool.query(
      "insert into tenant_keys (tenant_id, version, key_id, wrapped) select $2, 1, gen_random_uuid(), wrapped from tenant_keys where tenant_id = $1",
      [from, to],
    );
    await expect(vaultOn().keyring.prepare(to)).rejects.toMatchObject({ code: "internal" });
  });

  test("derives secrets from the master key", () => {
    expect(vaultOn().keyring.deriveSecret("a")).toEqual(vaultOn().keyring.deriveSecret("a"));
  });
});
