import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSession, endSession, getMe } from "#contract/access.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { newId } from "#server/kernel/ids.ts";
import { WithCookie } from "#server/kernel/handle.ts";
import type { Audit, AuditRecord } from "#server/kernel/ports.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createAccess, type Access, type AccessDeps } from "./index.ts";

let db: TestDatabase;
const audited: AuditRecord[] = [];
const audit: Audit = { record: async (_, entry) => void audited.push(entry) };
const BOOTSTRAP = "bootstrap-token-of-the-test";

beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

const access = (deps: Partial<AccessDeps> = {}): Access =>
  createAccess({ database: db.database, audit, newId, host: "127.0.0.1", publicUrl: () => "http://127.0.0.1:4600", ...deps });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const codeOf = (url: string): string => new URL(url).searchParams.get("t") ?? "";

/** Runs a route's handler as the server would after validation. */
async function run(from: Access, name: string, { body, caller }: { body?: unknown; caller?: Caller | undefined }): Promise<unknown> {
  const { ownerCaller } = await from.ensureDefaultWorkspace();
  return from.routes
    .find(({ route }) => route.name === name)
    ?.run({
      body,
      caller: caller ?? ownerCaller,
      requestId: "r",
      signal: new AbortController().signal,
      params: undefined,
      query: undefined,
      headers: undefined,
    });
}

describe("the default workspace", () => {
  test("is made once, by whoever comes first, with an owner", async () => {
    const [first, second] = await Promise.all([access().ensureDefaultWorkspace(), access().ensureDefaultWorkspace()]);
    expect([first.created, second.created].filter(Boolean)).toHaveLength(1);
    expect(first.ownerCaller.principalId).toBe(second.ownerCaller.principalId);
    expect(first.ownerCaller).toMatchObject({ role: "owner", kind: "user", tenantId: first.tenantId });
    expect(first.ownerCaller.permissions.has("workspace:admin")).toBe(true);
    expect(audited.filter(({ action }) => action === "workspace.created")).toHaveLength(1);
  });
});

describe("tokens", () => {
  test("open the workspace of their principal until they are revoked", async () => {
    const here = access();
    const { ownerCaller } = await here.ensureDefaultWorkspace();
    const { id, token } = await here.issueToken(ownerCaller, "cli");
    expect(token).toMatch(/^aut_[A-Za-z0-9_-]{43}$/);
    expect(await here.authenticate(bearer(token))).toMatchObject({ principalId: ownerCaller.principalId, ref: ownerCaller.ref });
    await here.revokeToken(ownerCaller, id);
    expect(await here.authenticate(bearer(token))).toBeUndefined();
    await expect(here.revokeToken(ownerCaller, id)).rejects.toMatchObject({ code: "not_found" });
    expect(audited.map(({ action }) => action)).toEqual(expect.arrayContaining(["token.created", "token.revoked"]));
  });

  test("are remembered for so short a time that a revocation elsewhere is noticed within five seconds", async () => {
    const [here, elsewhere] = [access(), access()];
    const { ownerCaller } = await here.ensureDefaultWorkspace();
    const { id, token } = await here.issueToken(ownerCaller);
    expect(await elsewhere.authenticate(bearer(token))).toBeDefined();
    await here.revokeToken(ownerCaller, id);
    await expect.poll(() => elsewhere.authenticate(bearer(token)), { timeout: 5_000, interval: 100 }).toBeUndefined();
  });

  test("are never stored as they are", async () => {
    const here = access();
    const { ownerCaller } = await here.ensureDefaultWorkspace();
    const { token } = await here.issueToken(ownerCaller);
    for (const table of ["api_tokens", "sessions", "sign_in_links"]) {
      const { rows } = await db.ownerPool.query(`select t::text as line from ${table} t`);
      expect(JSON.stringify(rows)).not.toContain(token.slice(4));
    }
  });

  test("stop working with their principal, and at their end", async () => {
    const here = access();
    const { ownerCaller, tenantId } = await here.ensureDefaultWorkspace();
    const principalId = newId();
    await db.ownerPool.query("insert into principals (id, tenant_id, kind, name, role) values ($1, $2, 'user', 'Guest', 'viewer')", [
      principalId,
      tenantId,
    ]);
    const guest = { ...ownerCaller, principalId };
    const { token } = await here.issueToken(guest);
    const { id: endedId, token: ended } = await here.issueToken(guest);
    await db.ownerPool.query("update api_tokens set expires_at = now() where id = $1", [endedId]);
    expect(await here.authenticate(bearer(ended))).toBeUndefined();
    expect(await access().authenticate(bearer(token))).toMatchObject({ role: "viewer", name: "Guest" });
    await db.ownerPool.query("update principals set disabled_at = now() where id = $1", [principalId]);
    expect(await access().authenticate(bearer(token))).toBeUndefined();
  });

  test.each([
    ["none", {}],
    ["another scheme", { authorization: "Basic b3duZXI6eA==" }],
    ["a short one", { authorization: "Bearer x" }],
    ["an unknown one", bearer(`aut_${"a".repeat(43)}`)],
    ["a token beside a session", { authorization: "Bearer wrong-wrong-wrong", cookie: `auterity_session=${"a".repeat(43)}` }],
    ["a malformed session", { cookie: "auterity_session=../../etc" }],
  ])("wrong credentials are nobody: %s", async (_, credentials) => {
    expect(await access().authenticate(credentials)).toBeUndefined();
  });

  test("of one tenant show nothing of another", async () => {
    const here = access();
    const { ownerCaller } = await here.ensureDefaultWorkspace();
    const { id } = await here.issueToken(ownerCaller);
    const stranger = { ...ownerCaller, tenantId: db.tenantId };
    await expect(here.revokeToken(stranger, id)).rejects.toMatchObject({ code: "not_found" });
    const seen = await db.database.asTenant(db.tenantId, (tx) =>
      tx.query("select id from principals union all select id from api_tokens union all select id from sessions"),
    );
    expect(seen).toEqual([]);
  });

  test("are refused, not accepted, while the database is away", async () => {
    const away = access({ database: { ...db.database, asTenant: () => Promise.reject(new Error("no connection")) } });
    await expect(away.authenticate(bearer(`aut_${"a".repeat(43)}`))).rejects.toThrow("no connection");
  });
});

describe("the bootstrap token", () => {
  test("is an owner's service account once the workspace exists, and is stored nowhere", async () => {
    const here = access({ bootstrapToken: BOOTSTRAP });
    expect(await here.authenticate(bearer(BOOTSTRAP))).toBeUndefined();
    const { tenantId } = await here.ensureDefaultWorkspace();
    const caller = await here.authenticate(bearer(BOOTSTRAP));
    expect(caller).toMatchObject({ tenantId, kind: "service_account", role: "owner" });
    expect(await run(here, getMe.name, { caller })).toMatchObject({ name: "Bootstrap token", tenantName: "Default workspace" });
    expect(await access().authenticate(bearer(BOOTSTRAP))).toBeUndefined();
    expect(await here.authenticate(bearer(`${BOOTSTRAP}x`))).toBeUndefined();
  });
});

describe("sign-in links", () => {
  const link = async (here: Access) => {
    const { ownerCaller } = await here.ensureDefaultWorkspace();
    return here.createSignInLink(ownerCaller);
  };

  test("work once, and open a session", async () => {
    const here = access();
    const { url, expiresAt } = await link(here);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:4600\/\?t=[A-Za-z0-9_-]{43}$/);
    expect(new Date(expiresAt).getTime()).toBeGreaterThan(Date.now());
    const answer = await run(here, createSession.name, { body: { code: codeOf(url) } });
    if (!(answer instanceof WithCookie) || answer.session === null) throw new Error("There is no cookie.");
    expect(answer.body).toMatchObject({ name: "Local owner", role: "owner", tenantName: "Default workspace" });
    const caller = await here.authenticate({ cookie: `theme=dark; auterity_session=${answer.session.value}` });
    expect(caller).toMatchObject({ name: "Local owner" });
    expect(await run(here, getMe.name, { caller })).toMatchObject({ tenantName: "Default workspace" });
    await expect(run(here, createSession.name, { body: { code: codeOf(url) } })).rejects.toMatchObject({ code: "link_used" });

    expect(await run(here, endSession.name, { caller })).toEqual(new WithCookie(undefined, null));
    expect(await here.authenticate({ cookie: `auterity_session=${answer.session.value}` })).toBeUndefined();
    expect(audited.map(({ action }) => action)).toEqual(
      expect.arrayContaining(["sign_in_link.created", "session.created", "session.ended"]),
    );
  });

  test("give one session to many who try at once", async () => {
    const here = access();
    const code = codeOf((await link(here)).url);
    const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => run(here, createSession.name, { body: { code } })));
    expect(attempts.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("end after their time, and an unknown code is like a used one", async () => {
    const here = access();
    const code = codeOf((await link(here)).url);
    await db.ownerPool.query("update sign_in_links set expires_at = now() where used_at is null");
    await expect(run(here, createSession.name, { body: { code } })).rejects.toMatchObject({ code: "link_used" });
    await expect(run(here, createSession.name, { body: { code: "x".repeat(43) } })).rejects.toMatchObject({ code: "link_used" });
  });

  test("are made on loopback only", async () => {
    await expect(link(access({ host: "0.0.0.0" }))).rejects.toMatchObject({ code: "permission_denied" });
  });
});

describe("sessions", () => {
  const signIn = async () => {
    const here = access();
    const { ownerCaller } = await here.ensureDefaultWorkspace();
    const { url } = await here.createSignInLink(ownerCaller);
    const answer = await run(here, createSession.name, { body: { code: codeOf(url) } });
    if (!(answer instanceof WithCookie) || answer.session === null) throw new Error("There is no cookie.");
    return { cookie: `auterity_session=${answer.session.value}`, maxAgeSeconds: answer.session.maxAgeSeconds };
  };

  test("end seven days after sign-in, or twelve hours after their last use", async () => {
    const { cookie, maxAgeSeconds } = await signIn();
    expect(maxAgeSeconds).toBe(7 * 24 * 3_600);
    await db.ownerPool.query("update sessions set seen_at = now() - interval '11 hours'");
    expect(await access().authenticate({ cookie })).toBeDefined();
    const { rows } = await db.ownerPool.query("select max(seen_at) > now() - interval '1 minute' as touched from sessions");
    expect(rows).toEqual([{ touched: true }]);
    await db.ownerPool.query("update sessions set seen_at = now() - interval '13 hours'");
    expect(await access().authenticate({ cookie })).toBeUndefined();
    await db.ownerPool.query("update sessions set seen_at = now(), expires_at = now()");
    expect(await access().authenticate({ cookie })).toBeUndefined();
  });

  test("a sign-out with a token ends no session", async () => {
    const { cookie } = await signIn();
    const here = access();
    const { ownerCaller } = await here.ensureDefaultWorkspace();
    const { token } = await here.issueToken(ownerCaller);
    const caller = await here.authenticate(bearer(token));
    await run(here, endSession.name, { caller });
    expect(await here.authenticate({ cookie })).toBeDefined();
  });
});
