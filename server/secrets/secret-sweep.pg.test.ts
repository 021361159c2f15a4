import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { putSecret } from "#contract/secrets.ts";
import { createAudit } from "#server/audit/index.ts";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import { createMessaging } from "#server/messaging/index.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createKeyring, createRedactor, createSecrets } from "./index.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

/** Everything that is stored, as text; bytes appear in hex and, behind it, as they are. */
async function everythingStored(): Promise<string> {
  const { rows: tables } = await db.ownerPool.query<{ name: string }>(
    "select oid::regclass::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by 1",
  );
  const dumps = await Promise.all(
    tables.map(async ({ name }) => {
      const { rows } = await db.ownerPool.query<{ line: string }>(`select row_to_json(t)::text as line from ${name} t`);
      return rows.map(({ line }) => `${name} ${line}`);
    }),
  );
  const lines = dumps.flat();
  const bytes = lines.flatMap((line) =>
    [...line.matchAll(/\\\\x([0-9a-f]+)/g)].map((match) => Buffer.from(match[1] ?? "", "hex").toString("latin1")),
  );
  return [...lines, ...bytes].join("\n");
}

test("a secret that was stored, used, echoed and audited is nowhere in the database", async () => {
  const canary = `sk-canary-${randomUUID()}`;
  const deps = { database: db.database, redactor: createRedactor(), newId };
  const keyring = createKeyring({ database: db.database, masterKey: randomBytes(32) });
  const { audit } = createAudit({ ...deps, chainKey: keyring.deriveSecret("audit chain") });
  const secrets = createSecrets({ ...deps, keyring, audit });
  const messaging = createMessaging({ ...deps, codec: secrets.codec, log: silentLog, now: () => new Date() });
  const { tenantId } = db;

  await callRoute(secrets.routes, putSecret, { caller: ownerOf(tenantId), params: { name: "KEY" }, body: { value: canary } });
  const value = await secrets.reader.read({ tenantId, name: "KEY", environment: "production", usedBy: "mcp_server:files" });
  expect(value).toBe(canary);

  const bytes = Buffer.from(canary);
  const echoes: Json[] = [
    { [canary]: canary },
    `Bearer ${canary}`,
    Buffer.from(`user:${canary}`).toString("base64"),
    Buffer.from(`u:${canary}`).toString("base64url"),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    encodeURIComponent(canary),
    JSON.stringify({ text: JSON.stringify(canary) }),
    Array.from(canary).reverse().join(""),
    `${"x".repeat(64 * 1024 - 20)}${canary}`,
  ];
  for (const content of echoes) {
    const of = { method: `echo ${canary}`, from: canary, to: `http://x/?key=${canary}`, correlationId: canary };
    messaging.frames.record({ tenantId, protocol: "mcp", direction: "in", kind: "response", ...of, content });
  }
  await messaging.flush();
  await db.database.asTenant(tenantId, (tx) =>
    audit.record(tx, {
      tenantId,
      actor: canary,
      action: "tool.called",
      target: `tool:${canary}`,
      reason: canary,
      details: { arguments: echoes.slice(0, 3) },
    }),
  );

  const stored = await everythingStored();
  expect(stored).toContain("[redacted]");
  expect(messaging.counts()).toEqual({ waiting: 0, written: echoes.length, dropped: 0 });
  const forms = [canary, bytes.toString("base64").slice(0, 40), bytes.toString("hex"), Array.from(canary).reverse().join("")];
  const middle = canary.slice(10, 40);
  for (const form of [...forms, middle, Buffer.from(middle).toString("base64").slice(3, 30)]) {
    expect(stored.toLowerCase().includes(form.toLowerCase())).toBe(false);
  }
  await messaging.stop();
});
