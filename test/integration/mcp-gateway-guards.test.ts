import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { hashOf } from "#server/access/credentials.ts";
import { newId } from "#server/kernel/ids.ts";
import { INITIALIZE, raw, rawSession, rpc, type Raw, type Target } from "#test/support/mcp/gateway.ts";
import { published } from "#test/support/mcp/platform.ts";
import { addTenant, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let sql: pg.Client;

const target = (path = "/mcp", token = platform.token): Target => ({ url: `${platform.url}${path}`, token });

beforeAll(async () => {
  platform = await startedPlatform();
  sql = await platform.sql();
  await platform.client.createMcpServer({ body: { name: "memory", launch: published("memory") } });
});
afterAll(() => platform.close());

/** A principal of the default workspace with a token of its own. */
async function tokenOf(role: string, expiresAt: Date | null = null): Promise<{ id: string; token: string }> {
  const [id, principalId] = [newId(), newId()];
  const token = `aut_${id}`;
  const { rows } = await sql.query<{ id: string }>("select id from tenants order by id limit 1");
  await sql.query("insert into principals (id, tenant_id, kind, name, role) values ($1, $2, 'user', $3, $4)", [
    principalId,
    rows[0]?.id,
    id,
    role,
  ]);
  await sql.query("insert into api_tokens (id, tenant_id, principal_id, name, hash, expires_at) values ($1, $2, $3, 'test', $4, $5)", [
    id,
    rows[0]?.id,
    principalId,
    hashOf(token),
    expiresAt,
  ]);
  return { id, token };
}

const list = rpc({ id: 1, method: "tools/list", params: {} });

describe("refuses a request", () => {
  const rows: readonly [string, Raw, number, number][] = [
    ["from a page of another site", { body: INITIALIZE, headers: { origin: "https://evil.example" } }, 403, -32_000],
    ["to a name that was rebound", { body: INITIALIZE, headers: { host: "evil.example" } }, 403, -32_000],
    ["without a token", { body: INITIALIZE, headers: { authorization: undefined } }, 401, -32_000],
    ["with a wrong token", { body: INITIALIZE, headers: { authorization: "Bearer wrong" } }, 401, -32_000],
    ["that is not JSON", { body: "{" }, 400, -32_700],
    ["without a body", { body: "" }, 400, -32_600],
    ["that names a key twice", { body: '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}' }, 400, -32_700],
    [
      "nested too deep",
      { body: rpc({ id: 1, method: "ping", params: { a: JSON.parse("[".repeat(100) + "]".repeat(100)) } }) },
      400,
      -32_600,
    ],
    ["with too large a body", { body: rpc({ id: 1, method: "ping", params: { a: "x".repeat(5_000_000) } }) }, 413, -32_000],
    ["of another content type", { body: INITIALIZE, headers: { "content-type": "text/plain" } }, 415, -32_000],
    ["in a batch", { body: `[${INITIALIZE}]` }, 400, -32_600],
    ["of JSON-RPC 1.0", { body: '{"jsonrpc":"1.0","id":1,"method":"ping"}' }, 400, -32_600],
    ["with an id of null", { body: '{"jsonrpc":"2.0","id":null,"method":"ping"}' }, 400, -32_600],
    ["with an object as id", { body: '{"jsonrpc":"2.0","id":{},"method":"ping"}' }, 400, -32_600],
    ["with half a number as id", { body: '{"jsonrpc":"2.0","id":1.5,"method":"ping"}' }, 400, -32_600],
    ["with an id beyond 2^53", { body: '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}' }, 400, -32_600],
    ["without a method", { body: '{"jsonrpc":"2.0","id":1}' }, 400, -32_600],
    ["to begin that does not say how", { body: rpc({ id: 1, method: "initialize", params: {} }) }, 400, -32_600],
    ["without a session", { body: list }, 400, -32_000],
    ["of a session that does not exist", { body: list, headers: { "mcp-session-id": newId() } }, 404, -32_000],
    ["of a revision that nobody knows", { body: list, headers: { "mcp-protocol-version": "9999-01-01" } }, 400, -32_602],
    ["that accepts no stream", { body: INITIALIZE, headers: { accept: "application/json" } }, 406, -32_600],
    ["for a stream that accepts none", { method: "GET", headers: { accept: "application/json" } }, 406, -32_600],
    ["for a stream without a session", { method: "GET" }, 400, -32_000],
  ];
  test.each(rows)("%s", async (_, request, status, code) => {
    const answer = await raw(target(), request);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ jsonrpc: "2.0", error: { code } });
    if (status === 401) expect(answer.headers["www-authenticate"]).toBe("Bearer");
  });

  test("with another method, and names those that there are", async () => {
    const answer = await raw(target(), { method: "PUT", body: "{}" });
    expect([answer.status, answer.headers["allow"]]).toEqual([405, "DELETE, GET, POST"]);
  });

  test("with a token that has expired", async () => {
    const { token } = await tokenOf("owner", new Date(Date.now() - 1_000));
    expect((await raw(target("/mcp", token), { body: INITIALIZE })).status).toBe(401);
  });

  test("to call from somebody who may only look, and writes that down", async () => {
    const { token } = await tokenOf("viewer");
    const viewer = target("/mcp", token);
    const session = await rawSession(viewer);
    const listed = await raw(viewer, { headers: session, body: list });
    expect(listed.text).toContain("memory__read_graph");
    const call = rpc({ id: 2, method: "tools/call", params: { name: "memory__read_graph", arguments: {} } });
    expect((await raw(viewer, { headers: session, body: call })).status).toBe(403);
    const { rows } = await sql.query("select 1 from audit_log where action = 'access.denied' and target = 'route:mcp'");
    expect(rows).toHaveLength(1);
  });

  test("for a server that is not there, exactly like one of another workspace", async () => {
    const other = await addTenant(sql, "Other");
    const theirs = await raw(target("/mcp/servers/memory", other.token), { body: INITIALIZE });
    const none = await raw(target("/mcp/servers/nothing"), { body: INITIALIZE });
    expect([theirs.status, none.status]).toEqual([404, 404]);
    const session = await rawSession(target("/mcp", other.token));
    expect(JSON.parse((await raw(target("/mcp", other.token), { headers: session, body: list })).text)).toMatchObject({
      result: { tools: [] },
    });
    expect((await raw(target(), { headers: session, body: list })).status).toBe(404);
  });
});

describe("a session", () => {
  test("exists at the endpoint where it was opened, until it is ended", async () => {
    const session = await rawSession(target());
    expect((await raw(target(), { headers: session, body: list })).status).toBe(200);
    expect((await raw(target("/mcp/servers/memory"), { headers: session, body: list })).status).toBe(404);
    expect((await raw(target(), { method: "DELETE", headers: session })).status).toBe(204);
    expect((await raw(target(), { headers: session, body: list })).status).toBe(404);
  });

  test("refuses an id that is under way, and echoes ids as they are", async () => {
    const session = await rawSession(target());
    for (const id of [1, "1", 0, ""]) {
      expect(JSON.parse((await raw(target(), { headers: session, body: rpc({ id, method: "ping" }) })).text)).toMatchObject({
        id,
        result: {},
      });
    }
  });

  test("ends within five seconds when its token is revoked, its streams with it", async () => {
    const { id, token } = await tokenOf("owner");
    const session = await rawSession(target("/mcp", token));
    const stream = raw(target("/mcp", token), { method: "GET", headers: session });
    await sql.query("delete from api_tokens where id = $1", [id]);
    const began = Date.now();
    expect((await stream).status).toBe(200);
    expect(Date.now() - began).toBeLessThan(5_500);
    expect((await raw(target("/mcp", token), { headers: session, body: list })).status).toBe(401);
  });

  test("makes room for a newer one when one caller has too many: the quietest ends", async () => {
    const { token } = await tokenOf("owner");
    const own = target("/mcp", token);
    const statusOf = async (session: Record<string, string>): Promise<number> => (await raw(own, { headers: session, body: list })).status;
    const [used, quiet] = [await rawSession(own), await rawSession(own)];
    for (let i = 2; i < LIMITS.mcpSessionsPerCaller; i += 1) await raw(own, { body: INITIALIZE });
    expect(await statusOf(used)).toBe(200);
    await raw(own, { body: INITIALIZE });
    expect([await statusOf(used), await statusOf(quiet)]).toEqual([200, 404]);
  });
});
