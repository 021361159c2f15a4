import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROLES } from "#contract/permissions.ts";
import { AppError } from "#server/kernel/errors.ts";
import { WithCookie } from "#server/kernel/handle.ts";
import { testHttp, type TestHttp } from "#test/support/http-server.ts";
import { openToAnybody, wrongForRole, type Send } from "#test/support/route-walk.ts";
import { originPolicy } from "./origin.ts";
import { requestBudget } from "./request-budget.ts";
import { sessionCookie } from "./session-cookie.ts";

const ID = "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234";
const ME = { principalId: ID, name: "n", kind: "user" as const, role: null, permissions: [], tenantId: ID, tenantName: "t" };

let http: TestHttp;
beforeAll(async () => {
  http = await testHttp({
    limits: { signInsPerMinute: 1_000 },
    handlers: {
      createSession: () => new WithCookie(ME, { value: "v".repeat(43), maxAgeSeconds: 60 }),
      endSession: () => new WithCookie(undefined, null),
      getMe: ({ caller }) => ({ ...ME, name: caller.name }),
      healthz: ({ caller }) => ({ status: "ok", caller: caller.ref }),
      openaiModels: () => {
        throw new AppError("model_failed", "It said s3cret-value.", { issues: [{ path: "x", message: "s3cret-value" }] });
      },
    },
  });
});
afterAll(() => http.close());

const send: Send = async (request) => {
  const { statusCode, body } = await http.inject(request);
  return { status: statusCode, body };
};

describe("permissions", () => {
  test("nothing but the public routes answers somebody without credentials", async () => {
    expect(await openToAnybody(send, ID)).toEqual([]);
  });

  test.each(ROLES)("a %s may do what the table of roles says, and no more", async (role) => {
    expect(await wrongForRole(send, { role, token: role, id: ID })).toEqual([]);
  });

  test("a denial names the permission and leaves an audit row", async () => {
    const before = http.audited.length;
    const { statusCode, body } = await http.inject({ method: "GET", url: "/api/v1/audit", headers: { authorization: "Bearer operator" } });
    expect(statusCode).toBe(403);
    expect(JSON.parse(body)).toMatchObject({ code: "permission_denied", detail: expect.stringContaining("audit:read") });
    expect(http.audited.slice(before)).toEqual([
      expect.objectContaining({ actor: "user:operator", action: "access.denied", target: "route:listAudit", outcome: "deny" }),
    ]);
  });

  test.each([
    ["a wrong token", { authorization: "Bearer wrong" }],
    ["another scheme", { authorization: "Basic b3duZXI6" }],
    ["a wrong session", { cookie: "auterity_session=wrong" }],
    ["a token in the address", {}],
  ])("%s is 401 with a challenge", async (_, headers) => {
    const response = await http.inject({ method: "GET", url: "/api/v1/session?access_token=owner", headers });
    expect(response.statusCode).toBe(401);
    expect(response.headers["www-authenticate"]).toBe("Bearer");
    expect(JSON.parse(response.body)).toMatchObject({ code: "unauthenticated" });
  });

  test("public routes are served to nobody in particular, whatever the credentials", async () => {
    const { body } = await http.inject({ method: "GET", url: "/healthz", headers: { authorization: "Bearer owner" } });
    expect(JSON.parse(body)).toEqual({ status: "ok", caller: "nobody" });
  });

  test("the body of an unauthenticated request is not even parsed", async () => {
    const response = await http.inject({
      method: "POST",
      url: "/api/v1/workflows",
      payload: "{{{",
      headers: { "content-type": "application/json" },
    });
    expect(response.statusCode).toBe(401);
  });
});

describe("browsers", () => {
  const write = (headers: Record<string, string>) => http.inject({ method: "DELETE", url: "/api/v1/session", headers });

  test.each([
    ["another site", { host: "127.0.0.1:4600", origin: "https://evil.example" }],
    ["another port of this machine", { host: "127.0.0.1:4600", origin: "http://127.0.0.1:9999" }],
    ["an opaque origin", { host: "127.0.0.1:4600", origin: "null" }],
    ["a rebound name", { host: "evil.example:4600" }],
    ["a rebound name with its own origin", { host: "evil.example", origin: "http://evil.example" }],
    ["a name that contains ours", { host: "localhost.evil.example" }],
    ["userinfo in the host", { host: "127.0.0.1@evil.example" }],
  ])("are refused from %s", async (_, headers) => {
    const response = await http.inject({ method: "GET", url: "/healthz", headers });
    expect(response.statusCode).toBe(403);
    expect(JSON.parse(response.body)).toMatchObject({ code: "origin_refused" });
    expect(response.headers["access-control-allow-origin"]).toBeUndefined();
  });

  test.each(["127.0.0.1:4600", "localhost:4600", "[::1]:4600", "LOCALHOST"])("are served at %s", async (host) => {
    expect((await http.inject({ method: "GET", url: "/healthz", headers: { host, origin: `http://${host}` } })).statusCode).toBe(200);
  });

  test("a session changes things only for the server's own page", async () => {
    const cookie = "auterity_session=owner";
    const host = "127.0.0.1:4600";
    expect((await write({ cookie, host })).statusCode).toBe(403);
    expect((await write({ cookie, host, "sec-fetch-site": "cross-site" })).statusCode).toBe(403);
    expect((await write({ cookie, host, "sec-fetch-site": "same-site" })).statusCode).toBe(403);
    expect((await write({ cookie, host, "sec-fetch-site": "same-origin" })).statusCode).toBe(204);
    expect((await write({ cookie, host, origin: `http://${host}` })).statusCode).toBe(204);
    expect((await http.inject({ method: "GET", url: "/api/v1/session", headers: { cookie, host } })).statusCode).toBe(200);
  });

  test("a token needs no page", async () => {
    expect((await write({ authorization: "Bearer owner" })).statusCode).toBe(204);
  });

  test("get no answer that allows another site to read", async () => {
    const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
    const response = await http.inject({ method: "OPTIONS", url: "/api/v1/workflows", headers });
    expect(response.statusCode).toBe(403);
    expect(Object.keys(response.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test("on a wildcard bind any address is a name of ours, but no foreign name", () => {
    const policy = originPolicy("0.0.0.0");
    expect(() => policy.check({ host: "192.168.1.20:4600" })).not.toThrow();
    expect(() => policy.check({ host: "[fe80::1]:4600" })).not.toThrow();
    expect(() => policy.check({ host: "evil.example" })).toThrow(/not an address/);
    expect(() => originPolicy("10.0.0.5").check({ host: "192.168.1.20" })).toThrow(/not an address/);
    expect(() => originPolicy("::1").check({ host: "[::1]:1" })).not.toThrow();
  });
});

describe("headers", () => {
  test("every answer carries the policy of the first page, and is not stored", async () => {
    for (const url of ["/healthz", "/nothing", "/api/v1/session", "/docs"]) {
      const { headers } = await http.inject({ method: "GET", url });
      expect(headers["content-security-policy"]).toContain("default-src 'none'; script-src 'self'");
      expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
      expect(headers["content-security-policy"]).not.toContain("unsafe");
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["cache-control"]).toBe("no-store");
    }
  });

  test("a request id is taken over only when it is harmless", async () => {
    const echoed = async (id: string) =>
      (await http.inject({ method: "GET", url: "/healthz", headers: { "x-request-id": id } })).headers["x-request-id"];
    expect(await echoed("trace-1.2_3")).toBe("trace-1.2_3");
    for (const id of ["a b", "x".repeat(65), "<script>", ""]) expect(await echoed(id)).toMatch(/^[0-9a-f]{12}-[0-9a-z]+$/);
  });

  test("the session cookie is out of reach of scripts and other sites, and cleared at the end", async () => {
    const payload = { code: "c".repeat(43) };
    const signedIn = await http.inject({ method: "POST", url: "/api/v1/session", payload });
    expect(signedIn.statusCode).toBe(201);
    expect(signedIn.headers["set-cookie"]).toBe(`auterity_session=${"v".repeat(43)}; Max-Age=60; Path=/; HttpOnly; SameSite=Strict`);
    const signedOut = await http.inject({ method: "DELETE", url: "/api/v1/session", headers: { authorization: "Bearer owner" } });
    expect(signedOut.headers["set-cookie"]).toBe("auterity_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict");
  });

  test("signing in is limited per address", async () => {
    const strict = await testHttp({ limits: { signInsPerMinute: 2 }, handlers: { createSession: () => ME } });
    const attempt = () => strict.inject({ method: "POST", url: "/api/v1/session", payload: { code: "c".repeat(43) } });
    expect([(await attempt()).statusCode, (await attempt()).statusCode]).toEqual([201, 201]);
    const refused = await attempt();
    expect(refused.statusCode).toBe(429);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    expect(JSON.parse(refused.body)).toMatchObject({ code: "rate_limited" });
    await strict.close();
  });
});

test("one address gets so many requests a minute, and new ones in the next", () => {
  const spend = requestBudget(2, "address");
  for (const address of ["a", "b", "a"]) spend(address, 1_000);
  expect(() => spend("a", 60_999)).toThrow(expect.objectContaining({ code: "rate_limited" }));
  expect(() => spend("b", 60_999)).not.toThrow();
  expect(() => spend("a", 61_000)).not.toThrow();
});

test("over https the cookie is bound to this host by its name", () => {
  expect(sessionCookie({ value: "v", maxAgeSeconds: 1 }, true)).toBe(
    "__Host-auterity_session=v; Max-Age=1; Path=/; HttpOnly; SameSite=Strict; Secure",
  );
});

test("OpenAI's clients find the error where they look for it, and no secret in it", async () => {
  const { statusCode, body } = await http.inject({ method: "GET", url: "/v1/models", headers: { authorization: "Bearer owner" } });
  expect(statusCode).toBe(424);
  expect(JSON.parse(body)).toMatchObject({
    code: "model_failed",
    detail: "It said [redacted].",
    issues: [{ path: "x", message: "[redacted]" }],
    error: { message: "It said [redacted].", code: "model_failed" },
  });
});

test("a server with an incomplete list of routes does not start", async () => {
  const { createHttp } = await import("./index.ts");
  const { healthz } = await import("#contract/system.ts");
  const twice = [
    { route: healthz, run: () => undefined },
    { route: healthz, run: () => undefined },
    { route: { ...healthz, name: "other" }, run: () => undefined },
  ];
  const { silentLog } = await import("#server/kernel/log.ts");
  const nothing = { query: async () => [] };
  const attempt = createHttp({
    routes: twice,
    access: { authenticate: async () => undefined },
    agentSocket: { authenticate: async () => undefined, accept: () => {} },
    log: silentLog,
    metrics: { answered: () => {} },
    redactor: { text: (text) => text, json: (json) => json },
    audit: { record: async () => {} },
    database: { asTenant: (_, fn) => fn(nothing), asWorker: (fn) => fn(nothing), statement: async () => [] },
    host: "127.0.0.1",
    version: "0",
    newId: () => "id",
    checkResponses: true,
  });
  await expect(attempt).rejects.toThrow(/readyz has no handler.*healthz has more than one handler.*other is not a route/s);
});
