import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import { createEgress } from "#server/egress/index.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { Audit, AuditRecord } from "#server/kernel/ports.ts";
import { canary, type Canary } from "#test/support/canary.ts";
import { liveness } from "#test/support/liveness.ts";
import { neighbourOf } from "#test/support/mcp/neighbour.ts";
import { modernHttpServer } from "#test/support/mcp/modern-server.ts";
import { callerOf, mcpPlatforms, register, stepCall, type McpPlatform } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { changesNothing, type LeftOut } from "#test/support/state-hash.ts";

/**
 * Group N of the threat corpus, one entry a row: addresses of MCP servers that lead where nobody should get. The canary
 * listens where each attack would land; whatever the answer is, nothing may have connected to it.
 */
type Row = { id: string; urls: (port: number) => readonly string[] };

let db: TestDatabase;
let trap: Canary;
let audited: AuditRecord[] = [];
let guard: ReturnType<typeof createEgress>;
let names: Record<string, readonly string[]> = {};
const servers: Server[] = [];
const platforms = mcpPlatforms(() => db);

beforeAll(async () => {
  db = await testDatabase();
  trap = await canary();
});
beforeEach(() => {
  audited = [];
  names = {};
  const lookup = async (host: string) => {
    const found = host === "localhost" ? ["127.0.0.1"] : names[host];
    if (!found) throw Object.assign(new Error(`${host} is not found`), { code: "ENOTFOUND" });
    return found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  };
  guard = createEgress({ database: db.database, audit, log: silentLog, now: () => new Date(), lookup });
});
afterEach(async () => {
  await platforms.close();
  await guard.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});
afterAll(async () => {
  await trap.close();
  await db.close();
});

const audit: Audit = { record: async (_tx, ...entries) => void audited.push(...entries) };
const open = (): Promise<McpPlatform> => platforms.open({ audit, egress: guard.egress, timings: { quickFailures: 1 } });
const http = (url: string, headers: Record<string, string> = {}) => ({ transport: "http" as const, url, headers });

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}/mcp`;
}

const redirectTo =
  (location: string, status: number): RequestListener =>
  (request, response) => {
    request.resume();
    response.writeHead(status, { location }).end();
  };

/** What the platform says of a registration that an owner makes: a refusal, or why the server did not start. */
async function verdictOn(p: McpPlatform, url: string): Promise<string> {
  try {
    return (await register(p, http(url))).lastError?.code ?? "started";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "request_invalid";
  }
}

const denials = (): AuditRecord[] => audited.filter(({ action, outcome }) => action === "egress.denied" && outcome === "deny");

const LOOPBACK: Row = {
  id: "N-01",
  urls: (port) => [`http://127.0.0.1:${port}/`, `http://localhost:${port}/`, `http://[::1]:${port}/`],
};
/** Refused whoever registers them. */
const NEVER: readonly Row[] = [
  { id: "N-01", urls: (port) => [`http://0.0.0.0:${port}/`, `http://[::]:${port}/`] },
  {
    id: "N-02",
    urls: (port) => ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0", "3232235777"].map((host) => `http://${host}:${port}/`),
  },
  {
    id: "N-04",
    urls: (port) => ["localhost.", "169.254.169.254.", "metadata.google.internal."].map((host) => `http://${host}:${port}/`),
  },
  {
    id: "N-05",
    urls: (port) =>
      [
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "::127.0.0.1",
        "::a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001::1",
        "fec0::1",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
        "100::1",
        "5f00::1",
        "3fff::1",
      ].map((host) => `http://[${host}]:${port}/`),
  },
  {
    id: "N-14",
    urls: () => [
      "file:///etc/passwd",
      "ftp://example.com/",
      "gopher://example.com/",
      "data:text/plain,x",
      "blob:http://example.com/x",
      "unix:/run/docker.sock",
      "ws://example.com/",
      "javascript:alert(1)",
    ],
  },
];

/** Not known for what they are before they are called: the registration stays, as one of a server that never started. */
const SEEN_WHEN_CALLED = /\/\/(?:metadata\.google\.internal\.|\[::127\.0\.0\.1\]|\[::a9fe:a9fe\]):/;

describe("N: where the address of a server may lead", () => {
  test.each(NEVER)("$id: no owner can register it", async ({ urls }) => {
    const p = await open();
    for (const url of urls(trap.port)) {
      const leftOut: LeftOut = SEEN_WHEN_CALLED.test(url) ? { mcp_servers: "all" } : {};
      const verdict = await changesNothing(db.ownerPool, () => verdictOn(p, url), leftOut);
      expect(["egress_denied", "request_invalid"], url).toContain(verdict);
    }
    expect(trap.accepted()).toBe(0);
  });

  test("N-01: on this machine it waits for an owner, and nothing is called meanwhile", async () => {
    const p = await open();
    for (const url of LOOPBACK.urls(trap.port)) {
      const server = await register(p, http(url), callerOf(db.tenantId, "designer"));
      expect(server).toMatchObject({ state: "FAILED", launchApproved: false, lastError: { code: "launch_not_approved" } });
    }
    expect(trap.accepted()).toBe(0);
  });

  test.each([LOOPBACK, ...NEVER].flatMap((row) => [301, 302, 303, 307, 308].map((status) => ({ ...row, status }))))(
    "N-10 with $id: a redirect ($status) does not get there either",
    async ({ urls, status }) => {
      const p = await open();
      const locations = [...urls(trap.port), `//127.0.0.1:${trap.port}/`];
      const call = guard.egress.fetchFor(db.tenantId, "mcp_server");
      for (const location of locations) {
        const url = await serve(redirectTo(location, status));
        const { state, lastError } = await register(p, http(url));
        expect({ location, state, code: lastError?.code }).toEqual({
          location,
          state: "FAILED",
          code: expect.stringMatching(/^(mcp|egress)_/),
        });
        // Whoever follows redirects is held at the same door.
        await changesNothing(db.ownerPool, async () => {
          await expect(call(url), location).rejects.toMatchObject({ code: "egress_denied" });
          await expect(call(url, { method: "POST", body: "{}" }), location).rejects.toMatchObject({ code: "egress_denied" });
        });
      }
      // Each place that nobody got to is on record.
      const places = locations.map((location) => new URL(location, "http://127.0.0.1"));
      const expected = places.map(({ protocol, host }) => (protocol === "http:" ? host : protocol).replaceAll(/[[\]]/g, ""));
      const recorded = denials().map(({ target }) => target.replaceAll(/^address:|[[\]]/g, ""));
      expect(new Set(recorded)).toEqual(new Set(expected));
      expect(trap.accepted()).toBe(0);
    },
  );

  test("N-07, N-08: a public name that leads inside is refused; of mixed answers only the public ones are called", async () => {
    const p = await open();
    names = { "tools.example.com": ["93.184.215.14"] };
    // Registered while it was public; what it resolves to later counts.
    const { id } = await p.call(routes.createMcpServer, {
      body: { name: "rebound", launch: http(`http://tools.example.com:${trap.port}/`), start: false },
    });
    names = { "tools.example.com": ["127.0.0.1", "::1"] };
    await expect(p.call(routes.startMcpServer, { params: { id } })).rejects.toMatchObject({ code: "egress_denied" });
    expect(denials()).toContainEqual(expect.objectContaining({ reason: "address_not_allowed" }));
    names = { "tools.example.com": ["127.0.0.1", "203.0.113.7"] };
    await expect(p.call(routes.startMcpServer, { params: { id } })).rejects.toMatchObject({ code: "egress_denied" });
    expect(trap.accepted()).toBe(0);
  });

  describe("N-11: redirects end after five, however they are laid", () => {
    const hops: string[] = [];
    const hopping =
      (next: (path: string) => string | undefined, status = 307): RequestListener =>
      (request, response) => {
        hops.push(request.url ?? "");
        const location = next(request.url ?? "");
        if (location === undefined) response.end("the end of the chain");
        else redirectTo(location, status)(request, response);
      };
    type Lay = (p: McpPlatform) => Promise<string>;
    /** With how many requests a client that speaks to a server makes of one: it goes to no other origin at all. */
    const laid: [string, number, Lay][] = [
      ["a loop that looks new each time", 6, () => serve(hopping((path) => `${path}x`))],
      [
        "a chain of 21",
        6,
        () => serve(hopping((path) => (path === "/mcp21" ? undefined : `/mcp${Number(path.slice("/mcp".length)) + 1}`))),
      ],
      [
        "two servers, both known, that point at each other",
        1,
        async (p) => {
          let other = "";
          // Any other redirect would take a body to another origin, which ends at the first.
          const url = await serve(hopping(() => other, 303));
          other = await serve(hopping(() => url, 303));
          await p.call(routes.createMcpServer, { body: { name: "other", launch: http(other), start: false } });
          return url;
        },
      ],
    ];

    test.each(laid)("%s", async (_, perCall, lay) => {
      const p = await open();
      const url = await lay(p);
      hops.length = 0;
      expect(await register(p, http(url))).toMatchObject({ state: "FAILED", lastError: { code: expect.stringMatching(/^(mcp|egress)_/) } });
      // So many ways to speak to a server are tried, each of them one call.
      expect([1, 2, 3].map((ways) => ways * perCall)).toContain(hops.length);
      const call = guard.egress.fetchFor(db.tenantId, "mcp_server");
      for (const init of [{}, { method: "POST", body: "{}" }]) {
        hops.length = 0;
        const refused = { code: "egress_denied", reason: "redirect_refused" };
        await changesNothing(db.ownerPool, () => expect(call(url, init)).rejects.toMatchObject(refused));
        expect(hops).toHaveLength(1 + 5);
      }
    });
  });

  test.each([22, 25, 5432, 6379, 11211, 2375, 10250])("N-16: port %i of a public host is not called", async (port) => {
    const p = await open();
    names = { "public.example.com": ["93.184.215.14"] };
    expect(await verdictOn(p, `http://public.example.com:${port}/`)).toBe("egress_denied");
    const call = guard.egress.fetchFor(db.tenantId, "mcp_server")(`http://public.example.com:${port}/`);
    await expect(call).rejects.toMatchObject({ code: "egress_denied", reason: "port_not_allowed" });
    expect(denials()).toContainEqual(expect.objectContaining({ reason: "port_not_allowed" }));
  });

  test("N-17: what looks like an allowed name is another one", async () => {
    names = { "api.box.lan": ["127.0.0.1"] };
    const { port } = new URL(await serve((_, response) => void response.end("allowed")));
    const { tenantId } = db;
    await db.database.asTenant(tenantId, async (tx) => {
      for (const one of [port, trap.port])
        await guard.egress.allow(tx, { tenantId, url: `http://api.box.lan:${one}/`, purpose: "mcp_server", actor: "user:owner" });
    });
    const call = guard.egress.fetchFor(tenantId, "mcp_server");
    expect(await (await call(`http://api.box.lan:${port}/`)).text()).toBe("allowed");
    const others = ["api.box.lan.evil.lan", "evil-api.box.lan", "xn--api-box-lan.lan", "box.lan"];
    names = Object.fromEntries(others.map((name) => [name, ["127.0.0.1"]]));
    for (const url of [...others.map((name) => `http://${name}:${trap.port}/`), `http://api.box.lan@evil.lan:${trap.port}/`])
      await expect(call(url), url).rejects.toMatchObject({ code: "egress_denied" });
    expect(trap.accepted()).toBe(0);
  });
});

const MIB = 1024 * 1024;

/** Where to write what shall arrive packed in these ways, one after the other. */
function packed(encoding: string | undefined, response: ServerResponse): Writable {
  let out: Writable = response;
  for (const way of encoding?.split(", ").toReversed() ?? []) {
    const zip = way === "br" ? createBrotliCompress() : createGzip({ level: 9, flush: constants.Z_SYNC_FLUSH });
    zip.pipe(out);
    out = zip;
  }
  return out;
}

describe("N: what an address may answer", () => {
  test.each([
    ["N-19: a body without end", undefined],
    ["N-20: a small body that unpacks to a huge one", "gzip"],
    ["N-20: one that another way unpacks", "br"],
    ["N-20: one that is packed three times", "gzip, gzip, gzip"],
  ])("%s is cut off, and memory stays", async (_, encoding) => {
    const p = await open();
    const endless = await serve((request, response) => {
      request.resume();
      response.writeHead(200, { "content-type": "application/json", ...(encoding === undefined ? {} : { "content-encoding": encoding }) });
      const out = packed(encoding, response);
      const chunk = Buffer.alloc(MIB, " ");
      const write = (): void => {
        while (!response.destroyed && out.write(chunk));
      };
      out.on("drain", write).on("error", () => {});
      write();
    });
    const alive = await liveness(await neighbourOf(p, db));
    const before = process.memoryUsage().rss;
    const server = await alive(() => register(p, http(endless)));
    expect(server).toMatchObject({ state: "FAILED", lastError: { code: "mcp_message_too_large" } });
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * MIB);
  });

  test("N-29: of a private address nobody learns whether something listens there", async () => {
    const p = await open();
    names = { "inside.example.com": ["127.0.0.1"] };
    const told: string[] = [];
    for (const port of [trap.port, 1_025]) {
      const call = guard.egress.fetchFor(db.tenantId, "mcp_server");
      const failed = await changesNothing(db.ownerPool, () => call(`http://inside.example.com:${port}/`).catch((error: unknown) => error));
      expect(failed).toMatchObject({ code: "egress_denied" });
      told.push(String(failed).replaceAll(String(port), "PORT"));
    }
    expect(new Set(told).size).toBe(1);
    expect(trap.accepted()).toBe(0);
    expect(p.recorded).toEqual([]);
  });

  test("N-31: the proxy settings of the machine change nothing", async () => {
    const proxy = `http://127.0.0.1:${trap.port}`;
    const settings = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"];
    const before = settings.map((name) => process.env[name]);
    for (const name of settings) process.env[name] = proxy;
    const remote = await modernHttpServer();
    try {
      const p = await open();
      expect(await register(p, http(remote.url))).toMatchObject({ state: "READY" });
      expect(trap.accepted()).toBe(0);
    } finally {
      settings.forEach((name, i) => {
        const value = before[i];
        if (value === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = value;
      });
      await platforms.close();
      await remote.close();
    }
  });

  test("N-32: a hint that points elsewhere is not followed", async () => {
    const p = await open();
    const elsewhere = `http://127.0.0.1:${trap.port}/`;
    const hinting = await serve((request, response) => {
      request.resume();
      response.writeEarlyHints({ link: `<${elsewhere}>; rel=preconnect` });
      response.writeHead(200, {
        "alt-svc": `h2="127.0.0.1:${trap.port}"; ma=3600`,
        "content-type": "text/plain",
        refresh: `0; ${elsewhere}`,
      });
      response.end("not a server");
    });
    const server = await register(p, http(hinting));
    expect(server).toMatchObject({ state: "FAILED" });
    await expect(p.mcp.executeTool.prepare(stepCall(db, { server: server.name, tool: "any", arguments: {} }))).rejects.toMatchObject({
      code: "mcp_server_not_ready",
    });
    expect(trap.accepted()).toBe(0);
  });
});
