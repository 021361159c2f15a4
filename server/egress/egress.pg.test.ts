import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { allowEgressTarget, forbidEgressTarget, listEgressTargets } from "#contract/egress.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { EgressPurpose } from "#contract/egress.ts";
import type { AuditRecord } from "#server/kernel/ports.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { egressTripwire } from "#test/support/egress-tripwire.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createEgress } from "./index.ts";

let db: TestDatabase;
let server: Server;
let origin = "";
beforeAll(async () => {
  db = await testDatabase();
  server = createServer((request, response) => response.end(request.url));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  origin = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await db.close();
});

let audited: AuditRecord[] = [];
let clock = 0;
let tenantId = "";
let guard: ReturnType<typeof createEgress>;
let failing = false;
beforeEach(async () => {
  audited = [];
  clock = 0;
  failing = false;
  tenantId = await db.secondTenant();
  guard = createEgress({
    database: db.database,
    log: silentLog,
    now: () => new Date(clock),
    lookup: async () => [{ address: "127.0.0.1", family: 4 }],
    audit: {
      record: async (_tx, entry) => {
        if (failing) throw new Error("the audit trail fails");
        audited.push(entry);
      },
    },
  });
});
afterEach(() => guard.close());

const allow = (url: string, purpose: EgressPurpose = "model", of = tenantId) =>
  db.database.asTenant(of, (tx) => guard.egress.allow(tx, { tenantId: of, url, purpose, actor: "user:owner" }));
const call = (url = origin, purpose: EgressPurpose = "model", of = tenantId) => guard.egress.fetchFor(of, purpose)(url);
const denied = expect.objectContaining({ code: "egress_denied" });

describe("egress", () => {
  test("reaches a loopback server only after an owner allowed exactly it", async () => {
    await expect(call()).rejects.toEqual(denied);
    await allow(`${origin}/v1`);
    expect(await (await call(`${origin}/v1/models`)).text()).toBe("/v1/models");
  });

  test("allows one purpose, one host, one port, one tenant", async () => {
    await allow(origin);
    const port = Number(new URL(origin).port);
    await expect(call(origin, "mcp_server")).rejects.toEqual(denied);
    await expect(call(origin.replace("127.0.0.1", "127.0.0.2"))).rejects.toEqual(denied);
    await expect(call(`http://127.0.0.1:${port + 1}`)).rejects.toEqual(denied);
    await expect(call(origin, "model", await db.secondTenant())).rejects.toEqual(denied);
  });

  test("does not take a name for an allowed one because it looks like it", async () => {
    const { port } = new URL(origin);
    await allow(`http://llm.local:${port}`);
    expect((await call(`http://LLM.local:${port}`)).status).toBe(200);
    for (const host of ["llm.local.evil.example", "evil-llm.local", "xllm.local", "llm.local@evil.example", "llm.local.", "lĺm.local"]) {
      await expect(call(`http://${host}:${port}`)).rejects.toEqual(denied);
    }
  });

  test("counts a removed permission for the next socket", async () => {
    await allow(origin);
    await (await call()).text();
    await db.ownerPool.query("delete from egress_allow where tenant_id = $1", [tenantId]);
    await guard.close();
    await expect(call()).rejects.toThrow();
    const again = createEgress({ database: db.database, log: silentLog, now: () => new Date(), audit: { record: async () => {} } });
    await expect(again.egress.fetchFor(tenantId, "model")(origin)).rejects.toEqual(denied);
    await again.close();
  });

  test("belongs to the registration: a rollback takes it back, a repetition changes nothing", async () => {
    const registering = db.database.asTenant(tenantId, async (tx) => {
      await guard.egress.allow(tx, { tenantId, url: origin, purpose: "model", actor: "user:owner" });
      throw new Error("the registration fails");
    });
    await expect(registering).rejects.toThrow("the registration fails");
    await expect(call()).rejects.toEqual(denied);
    audited = [];
    await allow(origin);
    await allow(origin);
    expect(audited).toEqual([
      {
        tenantId,
        actor: "user:owner",
        action: "egress.allowed",
        target: `address:${new URL(origin).host}`,
        details: { purpose: "model", reach: "private" },
      },
    ]);
  });

  test.each(["http://169.254.169.254/", "http://0.0.0.0:80", "file:///etc/passwd", "http://u:p@127.0.0.1/", "http://0x7f.1/"])(
    "does not allow %s",
    async (url) => {
      await expect(allow(url)).rejects.toEqual(denied);
    },
  );

  test("audits a denial once a minute for each target, and says how many were left out", async () => {
    for (let i = 0; i < 5; i++) await expect(call()).rejects.toEqual(denied);
    expect(audited).toEqual([
      {
        tenantId,
        actor: "platform",
        action: "egress.denied",
        target: `address:${new URL(origin).host}`,
        outcome: "deny",
        reason: "address_not_allowed",
        details: { purpose: "model", suppressedBefore: 0 },
      },
    ]);
    clock += 61_000;
    await expect(call()).rejects.toEqual(denied);
    expect(audited.at(-1)?.details).toEqual({ purpose: "model", suppressedBefore: 4 });
  });

  test("bounds the denials of one tenant, whatever it calls", async () => {
    for (let port = 20_000; port < 20_080; port++) await expect(call(`http://127.0.0.1:${port}`)).rejects.toEqual(denied);
    expect(audited).toHaveLength(60);
    await expect(call("http://127.0.0.1:2", "model", await db.secondTenant())).rejects.toEqual(denied);
    expect(audited).toHaveLength(61);
  });

  test("stays closed when the denial cannot be audited", async () => {
    failing = true;
    await expect(call()).rejects.toEqual(denied);
  });

  test("audits addresses that are refused for how they are written", async () => {
    await expect(call("http://user:secret@127.0.0.1/")).rejects.toEqual(denied);
    expect(audited).toMatchObject([{ target: "address:127.0.0.1", reason: "address_malformed" }]);
  });
});

describe("sockets for any protocol", () => {
  const connect = (host: string, port = Number(new URL(origin).port), of = tenantId) =>
    guard.egress.connectFor(of, "mcp_sandbox")({ host, port });

  test("are opened like those of calls: to what an owner has allowed for the purpose, at the address that was checked", async () => {
    const { port } = new URL(origin);
    for (const host of ["127.0.0.1", "inside.test"]) await expect(connect(host)).rejects.toEqual(denied);
    await allow(`http://inside.test:${port}`);
    await expect(connect("inside.test")).rejects.toEqual(denied);
    await allow(`http://inside.test:${port}`, "mcp_sandbox");
    const tripwire = egressTripwire();
    const socket = await connect("inside.test");
    expect(tripwire.restore()).toEqual([]);
    socket.end("GET /raw HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect((await socket.toArray()).join("")).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*\/raw/);
    await expect(connect("inside.test", Number(port), await db.secondTenant())).rejects.toEqual(denied);
    await expect(connect("127.0.0.1")).rejects.toEqual(denied);
  });

  test.each([
    ["example.test", 22, "port_not_allowed"],
    ["example.test", 70_000, "address_malformed"],
    ["0x7f.1", 80, "address_malformed"],
    ["127.1", 80, "address_malformed"],
    ["a@example.test", 80, "address_malformed"],
    ["example.test/x", 80, "address_malformed"],
    ["example.test:81", 80, "address_malformed"],
    ["example.test.", 80, "address_malformed"],
    ["169.254.169.254", 80, "address_not_allowed"],
    ["::ffff:127.0.0.1", 80, "address_malformed"],
    ["::ffff:7f00:1", 80, "address_not_allowed"],
    ["::1", 80, "address_not_allowed"],
  ])("are not opened to %s:%i: %s", async (host, port, reason) => {
    await expect(connect(host, port)).rejects.toMatchObject({ code: "egress_denied", reason });
    expect(audited).toMatchObject([{ action: "egress.denied", outcome: "deny", reason, details: { purpose: "mcp_sandbox" } }]);
  });

  test("say why when nobody listens there", async () => {
    await allow("http://127.0.0.1:1024", "mcp_sandbox");
    await expect(connect("127.0.0.1", 1_024)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});

describe("the routes of the guard", () => {
  test("an owner allows a target, sees it, and forbids it again", async () => {
    const caller = ownerOf(tenantId);
    const { port } = new URL(origin);
    const allowed = await callRoute(guard.routes, allowEgressTarget, { caller, body: { url: `${origin}/any/path`, purpose: "http" } });
    expect(allowed).toMatchObject({ purpose: "http", host: "127.0.0.1", port: Number(port), reach: "private", createdBy: "user:owner" });
    expect(await (await call(origin, "http")).text()).toBe("/");
    await expect(call(origin, "webhook")).rejects.toEqual(denied);
    await callRoute(guard.routes, allowEgressTarget, { caller, body: { url: origin, purpose: "a2a_agent" } });
    const list = (query: object, of = caller) => callRoute(guard.routes, listEgressTargets, { caller: of, query });
    const first = await list({ limit: 1 });
    expect(first.items).toMatchObject([{ purpose: "a2a_agent" }]);
    expect((await list({ limit: 1, cursor: first.nextCursor })).items).toEqual([allowed]);
    expect((await list({}, ownerOf(await db.secondTenant()))).items).toEqual([]);
    const query = { purpose: "http", host: "127.0.0.1", port };
    await callRoute(guard.routes, forbidEgressTarget, { caller, query });
    await expect(callRoute(guard.routes, forbidEgressTarget, { caller, query })).rejects.toMatchObject({ code: "not_found" });
    expect(audited.map(({ action }) => action)).toEqual(["egress.allowed", "egress.denied", "egress.allowed", "egress.forbidden"]);
    const fresh = createEgress({ database: db.database, log: silentLog, now: () => new Date(), audit: { record: async () => {} } });
    await expect(fresh.egress.fetchFor(tenantId, "http")(origin)).rejects.toEqual(denied);
    await fresh.close();
  });

  test("nobody allows what nobody may call", async () => {
    const caller = ownerOf(tenantId);
    for (const url of ["http://169.254.169.254/", "http://127.0.0.1:22/", "http://u:p@127.0.0.1/"])
      await expect(callRoute(guard.routes, allowEgressTarget, { caller, body: { url, purpose: "http" } })).rejects.toEqual(denied);
    expect((await callRoute(guard.routes, listEgressTargets, { caller })).items).toEqual([]);
  });
});
