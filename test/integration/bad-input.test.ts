import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { Problem } from "#contract/errors.ts";
import { ROUTES } from "#contract/routes.ts";
import { hashOf } from "#server/access/credentials.ts";
import { newId } from "#server/kernel/ids.ts";
import { freePort } from "#test/support/platform.ts";
import { badInputs, type BadInput as Case, type Code } from "#test/support/bad-inputs.ts";
import { rawRequest } from "#test/support/raw-request.ts";
import { ROOT } from "#test/support/source-files.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

type Known = { workflow: string; strict: string; run: string; tool: string; server: string; absent: string };

let platform: StartedPlatform;
let superuser: pg.Client;
let known: Known;

const START = { id: "start", type: "start" };
const END = { id: "end", type: "end" };
const edge = (source: string, target: string): Json => ({ id: `${source}-${target}`, source, target });
const definition = (over: Record<string, Json> = {}): Json => ({
  version: 2,
  name: "Bad",
  nodes: [START, END],
  edges: [edge("start", "end")],
  ...over,
});
const withTransform = (output: Json): Json =>
  definition({
    nodes: [START, { id: "work", type: "transform", data: { output } }, END],
    edges: [edge("start", "work"), edge("work", "end")],
  });

const egress = (url: string, code: Code, purpose = "http"): Case => ({ path: "/api/v1/egress-targets", json: { url, purpose }, code });
const MEMBERS = ["ann", "bob", "cy"].map((name) => ({ name, agent: "a" }));
/** A definition with this one node in the middle, which is wrong. */
const withNode = (node: { [key: string]: Json }, field?: string): Case =>
  defined(
    definition({ nodes: [START, { id: "work", ...node }, END], edges: [edge("start", "work"), edge("work", "end")] }),
    "workflow_invalid",
    [{ nodeId: "work", ...(field !== undefined && { path: `nodes[1].${field}` }) }],
  );

beforeAll(async () => {
  platform = await startedPlatform();
  const { client } = platform;
  superuser = await platform.sql();
  const workflow = await client.createWorkflow({ body: { name: "Good", definition: definition() } });
  const input = { type: "object", required: ["age"], properties: { age: { type: "integer", minimum: 0 } }, additionalProperties: false };
  const strict = await client.createWorkflow({ body: { name: "Strict", definition: definition({ input }) } });
  const server = await client.createMcpServer({
    body: {
      name: "ledger",
      launch: { transport: "stdio", command: process.execPath, args: [join(ROOT, "test/support/mcp/ledger-server.ts")], env: {} },
    },
  });
  const tools = await client.listServerTools({ params: { id: server.id } });
  const key = { "idempotency-key": "used" };
  const run = await client.startRun({ params: { id: workflow.id }, headers: key, body: { input: { n: 1 } } });
  await client.waitForRun(run.id);
  known = {
    workflow: workflow.id,
    strict: strict.id,
    run: run.id,
    tool: tools.items[0]?.id ?? "",
    server: server.id,
    absent: newId(),
  };
});
afterAll(() => platform.close());

const { send, expectProblem, refuses } = badInputs(() => ({ platform, superuser, known }));

const create = (body: string | Buffer, code: Code, more: Partial<Case> = {}): Case => ({ path: "/api/v1/workflows", body, code, ...more });
const named = (name: string): string => `{"name":${name},"definition":${JSON.stringify(definition())}}`;
const defined = (json: Json, code: Code, issues?: readonly object[]): Case => ({
  path: "/api/v1/workflows",
  json: { name: "Bad", definition: json },
  code,
  ...(issues ? { issues } : {}),
});

describe("bodies that are no document", () => {
  refuses({
    "malformed JSON": create('{"name":', "body_malformed"),
    "nothing at all": create("", "request_invalid"),
    "only a string": create('"text"', "request_invalid"),
    null: create("null", "request_invalid"),
    "an empty list": create("[]", "request_invalid"),
    "two documents": create("{}{}", "body_malformed"),
    "invalid UTF-8": create(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "body_malformed"),
    "a key twice": create('{"name":"Bad","name":"Worse","definition":{}}', "body_malformed"),
    "20,000 levels of lists": create(`{"name":"Bad","definition":${"[".repeat(20_000)}${"]".repeat(20_000)}}`, "body_too_deep"),
    "20,000 levels of objects": create(`${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`, "body_too_deep"),
    "10 MB": create(named(`"${"x".repeat(10 * 1024 * 1024)}"`), "body_too_large"),
    "10 MB in chunks without a length": create(named(`"${"x".repeat(10 * 1024 * 1024)}"`), "body_too_large", { chunkBytes: 65_536 }),
    "more values than can be meant": create(named(`[${"0,".repeat(300_000)}0]`), "body_too_large"),
    "another content type": create("name=Bad", "content_type_unsupported", {
      headers: { "content-type": "application/x-www-form-urlencoded" },
    }),
    "another charset": create("{}", "content_type_unsupported", { headers: { "content-type": "application/json; charset=utf-16" } }),
    "a compressed body": create("{}", "content_type_unsupported", { headers: { "content-encoding": "gzip" } }),
    "a name that is a number": create(named("1e400"), "request_invalid", { issues: [{ path: "body.name" }] }),
  });
});

describe("texts that cannot be meant", () => {
  const NUL = String.raw`"a\u0000b"`;
  const LONE = String.raw`"a\ud800b"`;
  const places: Readonly<Record<string, (text: string) => Case>> = {
    "a workflow's name": (text) => create(named(text), "request_invalid"),
    "a definition": (text) => create(`{"name":"Bad","definition":{"version":2,"name":${text},"nodes":[],"edges":[]}}`, "request_invalid"),
    "an expression": (text) => create(`{"name":"Bad","definition":{"nodes":[{"data":{"output":${text}}}]}}`, "request_invalid"),
    "a key of a definition": (text) => create(`{"name":"Bad","definition":{${text}:1}}`, "request_invalid"),
    "a run's input": (text) => create(`{"input":{"deep":[${text}]}}`, "request_invalid", { path: "/api/v1/workflows/{workflow}/runs" }),
    "a run's tag": (text) => create(`{"tags":[${text}]}`, "request_invalid", { path: "/api/v1/workflows/{workflow}/runs" }),
    "the reason of a cancel": (text) => create(`{"reason":${text}}`, "request_invalid", { path: "/api/v1/runs/{run}/cancel" }),
    "a secret": (text) => create(`{"value":${text}}`, "request_invalid", { path: "/api/v1/secrets/NAME", method: "PUT" }),
    "a tool's arguments": (text) => create(`{"arguments":{"entry":${text}}}`, "request_invalid", { path: "/api/v1/tools/{tool}/call" }),
    "an MCP server's command": (text) =>
      create(`{"name":"bad","launch":{"transport":"stdio","command":${text}}}`, "request_invalid", { path: "/api/v1/mcp-servers" }),
    "an agent's title": (text) =>
      create(`{"name":"bad","title":${text},"endpoint":{"kind":"custom"}}`, "request_invalid", { path: "/api/v1/agents" }),
    "a chat message": (text) =>
      create(`{"model":"offline/extractive","messages":[{"role":"user","content":${text}}]}`, "request_invalid", {
        path: "/v1/chat/completions",
      }),
  };
  refuses(
    Object.fromEntries(
      Object.entries(places).flatMap(([place, bad]) => [
        [`NUL in ${place}`, bad(NUL)],
        [`a lone surrogate in ${place}`, bad(LONE)],
      ]),
    ),
  );
  refuses({
    "NUL in a query": { path: "/api/v1/workflows?name=%00", code: "request_invalid" },
    "NUL in a path": { path: "/api/v1/runs/%00", code: "request_invalid" },
    "a broken escape in a path": { path: "/api/v1/runs/%E0%A4%A", code: "request_malformed" },
    "NUL in the name of a secret": { path: "/api/v1/secrets/a%00b", method: "PUT", json: { value: "x" }, code: "request_invalid" },
    "__proto__ as a key of an input": create('{"input":{"__proto__":{"role":"admin"}}}', "request_invalid", {
      path: "/api/v1/workflows/{workflow}/runs",
    }),
    "constructor.prototype as a key of an input": create('{"input":{"constructor":{"prototype":{"a":1}}}}', "request_invalid", {
      path: "/api/v1/workflows/{workflow}/runs",
    }),
    "a number beyond doubles in an input": create('{"input":{"n":1e400}}', "request_invalid", {
      path: "/api/v1/workflows/{workflow}/runs",
    }),
    "an integer that would lose digits": create('{"input":12345678901234567890}', "request_invalid", {
      path: "/api/v1/workflows/{workflow}/runs",
    }),
    "a field that does not exist": create('{"name":"Bad","definition":{},"tenantId":"x"}', "request_invalid"),
    "a name of 121 characters": create(named(`"${"x".repeat(121)}"`), "request_invalid"),
    "a name of blanks": create(named('"   "'), "request_invalid"),
  });

  test("leave no trace on objects", () => {
    expect(Object.hasOwn(Object.prototype, "role")).toBe(false);
    expect(Object.hasOwn(Object.prototype, "a")).toBe(false);
  });
});

describe("addresses and queries", () => {
  const lists = Object.values(ROUTES).filter(
    (route) => route.method === "GET" && /\/api\/v1\/[a-z-]+$/.test(route.path) && "query" in route,
  );
  refuses(
    Object.fromEntries(
      lists.flatMap(({ name, path }) => [
        ...["1e9", "-1", "0", "1.5", "abc", ""].map((limit) => [
          `${name} with limit=${limit}`,
          { path: `${path}?limit=${limit}`, code: "request_invalid" },
        ]),
        ...[
          "nonsense",
          "W10",
          "WyJhIl0",
          "bnVsbA",
          "WyInOyBkcm9wIHRhYmxlIHJ1bnM7LS0iXQ",
          Buffer.from('["0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234","x"]').toString("base64url"),
        ].map((cursor) => [`${name} with cursor=${cursor}`, { path: `${path}?cursor=${cursor}`, code: "cursor_invalid" }]),
      ]),
    ),
  );
  const forkFrom = (from: Json): Case => ({ path: "/api/v1/runs/{run}/fork", json: { from }, code: "fork_point_unknown" });
  const absent = (method: string, path: string, json?: Json): Case => ({
    method,
    path,
    code: "not_found",
    ...(json === undefined ? {} : { json }),
  });
  refuses({
    "a parameter twice": { path: "/api/v1/runs?limit=1&limit=2", code: "request_invalid" },
    "a status that does not exist": { path: "/api/v1/runs?status=sleeping", code: "request_invalid" },
    "a time that is none": { path: "/api/v1/runs?from=yesterday", code: "request_invalid" },
    "a workflow's id that is none": { path: "/api/v1/runs?workflowId=1", code: "request_invalid" },
    "a cursor of 600 characters": { path: `/api/v1/runs?cursor=${"x".repeat(600)}`, code: "request_invalid" },
    "a journal after nothing": { path: "/api/v1/runs/{run}/journal?after=-1", code: "request_invalid" },
    "an event id that is none": { path: "/api/v1/runs/{run}/events", headers: { "last-event-id": "x" }, code: "request_invalid" },
    "an unknown path": { path: "/api/v1/nothing", code: "route_not_found" },
    "an unknown path with a body": create("{}", "route_not_found", { path: "/api/v2/workflows" }),
    "another case": { path: "/API/V1/runs", code: "route_not_found" },
    "a path out of the folder": { path: "/..%2f..%2fetc%2fpasswd", code: "route_not_found" },
    "a method that the path has not": create("{}", "method_not_allowed", { method: "PATCH" }),
    "a method that nothing has": { path: "/api/v1/runs/{run}", method: "OPTIONS", code: "method_not_allowed" },
    "an id that is none": { path: "/api/v1/runs/42", code: "not_found" },
    "an id of 500 characters": { path: `/api/v1/runs/${"x".repeat(500)}`, code: "not_found" },
    "SQL for an id": { path: "/api/v1/workflows/1'%20or%20'1'='1", code: "not_found" },
    "an unknown workflow": absent("GET", "/api/v1/workflows/{absent}"),
    "a change to an unknown workflow": absent("PUT", "/api/v1/workflows/{absent}", { definition: definition() }),
    "an unknown workflow's run": absent("POST", "/api/v1/workflows/{absent}/runs", {}),
    "an unknown run": absent("GET", "/api/v1/runs/{absent}"),
    "events of an unknown run": absent("GET", "/api/v1/runs/{absent}/events"),
    "a cancel of an unknown run": absent("POST", "/api/v1/runs/{absent}/cancel", {}),
    "an unknown MCP server": absent("GET", "/api/v1/mcp-servers/{absent}"),
    "a start of an unknown MCP server": absent("POST", "/api/v1/mcp-servers/{absent}/start"),
    "an unknown tool": absent("POST", "/api/v1/tools/{absent}/call", { arguments: {} }),
    "an unknown agent": absent("DELETE", "/api/v1/agents/{absent}"),
    "an unknown secret": absent("DELETE", "/api/v1/secrets/NOT_THERE"),
    "an unknown version": { path: "/api/v1/workflows/{workflow}/versions/9", code: "version_unknown" },
    "a version beyond integers": { path: "/api/v1/workflows/{workflow}/versions/99999999999", code: "not_found" },
    "a retry of an unknown run": absent("POST", "/api/v1/runs/{absent}/retry"),
    "a fork of an unknown run": absent("POST", "/api/v1/runs/{absent}/fork", { from: { nodeId: "start" } }),
    "a fork from nowhere": { path: "/api/v1/runs/{run}/fork", json: {}, code: "request_invalid", issues: [{ path: "body.from" }] },
    "a fork from a step that does not exist": forkFrom({ nodeId: "nowhere" }),
    "a fork from a scope that does not exist": forkFrom({ scope: "/each[3]", nodeId: "end" }),
    "a retry of what has not failed": { path: "/api/v1/runs/{run}/retry", json: { from: "failed" }, code: "run_transition_invalid" },
    "a requeue of an unknown run": absent("POST", "/api/v1/runs/{absent}/requeue"),
    "a requeue of a run that is not dead": { method: "POST", path: "/api/v1/runs/{run}/requeue", code: "run_transition_invalid" },
    "a wait for an unknown run": absent("GET", "/api/v1/runs/{absent}/wait?timeoutMs=0"),
    "a wait of an hour": { path: "/api/v1/runs/{run}/wait?timeoutMs=3600000", code: "request_invalid" },
    "a cancel of no runs": { path: "/api/v1/runs/cancel", json: { ids: [] }, code: "request_invalid" },
    "a cancel of runs by ids and a filter": { path: "/api/v1/runs/cancel", json: { ids: [newId()], filter: {} }, code: "request_invalid" },
    "a retry of runs that nothing names": { path: "/api/v1/runs/retry", json: {}, code: "request_invalid" },
    "a breakpoint in production": { path: "/api/v1/workflows/{workflow}/runs", json: { breakpoints: ["end"] }, code: "editor_only" },
    "a pin for a node that does not exist": {
      path: "/api/v1/workflows/{workflow}/runs",
      json: { mode: "editor", pins: { nowhere: 1 } },
      code: "request_invalid",
      issues: [{ path: "body.pins.nowhere" }],
    },
    "a run of an unknown version": { path: "/api/v1/workflows/{workflow}/runs", json: { version: 9 }, code: "version_unknown" },
  });

  test("a wrong method is told the right ones", async () => {
    expect((await send(create("{}", "method_not_allowed", { method: "PATCH" }))).headers["allow"]).toBe("GET, HEAD, POST");
  });

  test("a header beyond the limit is refused, and the server goes on", async () => {
    const { status, body } = await rawRequest(platform.url, { path: "/api/v1/runs", headers: { cookie: "x".repeat(40_000) } });
    expect({ status, code: Problem.parse(JSON.parse(body)).code }).toEqual({ status: 431, code: "headers_too_large" });
    expect((await platform.client.readyz()).status).toBe("ready");
  });
});

describe("credentials", () => {
  const from = (authorization: string | undefined, path = "/api/v1/runs"): Case => ({
    path,
    code: "unauthenticated",
    headers: { authorization: authorization ?? "" },
  });
  refuses({
    none: from(""),
    "a wrong token": from(`Bearer aut_${"x".repeat(43)}`),
    "a token of NULs and quotes": from("Bearer ';--"),
    "an empty token": from("Bearer "),
    "another scheme": from("Basic YTpi"),
    "a token cut short": from("Bearer aut_"),
    "a token in the query": from("", `/api/v1/runs?token=aut_x&access_token=aut_x`),
    "a cookie out of thin air": {
      path: "/api/v1/runs",
      code: "unauthenticated",
      headers: { authorization: "", cookie: "auterity_session=nonsense" },
    },
    "a body that nobody may send is not read": {
      ...create("x".repeat(10 * 1024 * 1024), "unauthenticated"),
      headers: { authorization: "Bearer no" },
    },
    "a sign-in code that was never made": { path: "/api/v1/session", json: { code: "x".repeat(43) }, code: "link_used" },
    "a sign-in code that is too short": { path: "/api/v1/session", json: { code: "x" }, code: "request_invalid" },
  });

  test("an owner's real token in the address opens nothing", async () => {
    await expectProblem({ path: `/api/v1/runs?token=${platform.token}`, code: "unauthenticated", headers: { authorization: "" } });
  });

  test.each([
    ["expired", "expires_at"],
    ["revoked", "revoked_at"],
  ])("a token that is %s opens nothing", async (_, column) => {
    const token = `aut_${newId()}`;
    await superuser.query(
      `insert into api_tokens (id, tenant_id, principal_id, name, hash, ${column})
       select $1, tenant_id, id, 'old', $2, now() - interval '1 second' from principals where kind = 'user'`,
      [newId(), hashOf(token)],
    );
    await expectProblem({ path: "/api/v1/runs", code: "unauthenticated", headers: { authorization: `Bearer ${token}` } });
  });

  test("a sign-in link works once", async () => {
    const code = /[\w-]{43}$/.exec(platform.platform.signInUrl ?? "")?.[0] ?? "";
    const bad: Case = { path: "/api/v1/session", json: { code }, code: "link_used" };
    expect(await send(bad)).toMatchObject({ status: 201 });
    await expectProblem(bad);
  });
});

describe("definitions", () => {
  const nodes = (...more: Json[]): Json[] => [START, ...more, END];
  const at = (nodeId: string, path: string): object => ({ nodeId, path });
  refuses({
    "version 1": defined({ version: 1, nodes: [], edges: [] }, "definition_version_unsupported", [{ path: "version" }]),
    "no version": defined({ nodes: nodes({ id: "a", type: "transform", data: { output: 1 } }), edges: [] }, "workflow_invalid"),
    "no nodes": defined(definition({ nodes: [], edges: [] }), "workflow_invalid"),
    "a text": defined("start -> end", "workflow_invalid"),
    "an unknown type": defined(definition({ nodes: nodes({ id: "odd", type: "teleport" }) }), "workflow_invalid", [{ nodeId: "odd" }]),
    "an unknown field": defined(
      definition({ nodes: nodes({ id: "t", type: "transform", data: { output: 1, shell: "rm" } }) }),
      "workflow_invalid",
      [at("t", "nodes[1].data")],
    ),
    "an id that is no name": defined(
      definition({ nodes: nodes({ id: "a b", type: "transform", data: { output: 1 } }) }),
      "workflow_invalid",
    ),
    "an id twice": defined(definition({ nodes: [START, START, END] }), "workflow_invalid"),
    "an edge to nowhere": defined(definition({ edges: [edge("start", "end"), edge("start", "nowhere")] }), "workflow_invalid"),
    "a cycle": defined(
      definition({
        nodes: nodes({ id: "a", type: "transform", data: { output: 1 } }, { id: "b", type: "transform", data: { output: 1 } }),
        edges: [edge("start", "a"), edge("a", "b"), edge("b", "a"), edge("b", "end")],
      }),
      "workflow_invalid",
    ),
    "an address of the link": egress("http://169.254.169.254/", "egress_denied"),
    "an address that is none": egress("nowhere", "request_invalid"),
    "a purpose that is none": egress("http://127.0.0.1:8080", "request_invalid", "fun"),
    "an address that nobody has allowed": {
      path: "/api/v1/egress-targets?purpose=http&host=a&port=80",
      method: "DELETE",
      code: "not_found",
    },
    "a secret in the body of a request": withNode(
      { type: "http", data: { method: "POST", url: "https://x.example", body: "=secrets.KEY" } },
      "data.body",
    ),
    "a header with a line break in its name": withNode({ type: "http", data: { url: "https://x.example", headers: { "a\r\nb": "c" } } }),
    "code that may run for an hour": withNode(
      { type: "code", data: { source: "return 1" }, policy: { timeoutMs: 3_600_000 } },
      "policy.timeoutMs",
    ),
    "a team led by somebody else": withNode({ type: "team", data: { mode: "debate", lead: "zoe", members: MEMBERS } }, "data.lead"),
    "an expression that does not parse": defined(withTransform({ deep: ["=input.name & ("] }), "workflow_invalid", [
      { nodeId: "work", path: "nodes[1].data.output.deep[0]", position: expect.any(Number), code: "expression_invalid" },
    ]),
    "a template that does not close": defined(withTransform("Hello {{ input.name"), "workflow_invalid", [
      { nodeId: "work", path: "nodes[1].data.output", position: expect.any(Number) },
    ]),
    "an expression about a step that is not there": defined(withTransform("=steps.ghost.text"), "workflow_invalid", [
      { nodeId: "work", path: "nodes[1].data.output", position: expect.any(Number) },
    ]),
    "an expression about a later step": defined(withTransform("=steps.end"), "workflow_invalid", [{ nodeId: "work" }]),
    "a secret where it would be stored": defined(withTransform("=secrets.KEY"), "workflow_invalid", [{ nodeId: "work" }]),
    "an expression of 100,000 characters": defined(withTransform(`=${"a".repeat(100_000)}`), "workflow_invalid", [{ nodeId: "work" }]),
    "an input schema that is none": defined(definition({ input: { type: "elephant" } }), "workflow_invalid", [{ path: "input" }]),
    "a change with a bad definition": {
      path: "/api/v1/workflows/{workflow}",
      method: "PUT",
      json: { definition: { version: 2 } },
      code: "workflow_invalid",
    },
    "a change on an old version": {
      path: "/api/v1/workflows/{workflow}",
      method: "PUT",
      json: { definition: definition(), baseVersion: 7 },
      code: "conflict",
    },
    "a name that is taken": create(named('"good"'), "name_taken"),
  });

  test("a check that does not save answers with the same problems, node and position included", async () => {
    const { valid, issues } = await platform.client.validateDefinition({ body: { definition: withTransform("=input.name & (") } });
    expect({ valid, issues }).toMatchObject({
      valid: false,
      issues: [{ nodeId: "work", path: "nodes[1].data.output", position: expect.any(Number) }],
    });
  });
});

describe("runs, tools and agents", () => {
  const startAt = "/api/v1/workflows/{strict}/runs";
  refuses({
    "an input that does not fit": {
      path: startAt,
      json: { input: { age: -1 } },
      code: "input_invalid",
      issues: [{ path: expect.stringContaining("age") }],
    },
    "an input that is missing": { path: startAt, json: {}, code: "input_invalid" },
    "33 tags": { path: startAt, json: { input: { age: 1 }, tags: Array.from({ length: 33 }, String) }, code: "request_invalid" },
    "an Idempotency-Key for another request": {
      path: "/api/v1/workflows/{workflow}/runs",
      headers: { "idempotency-key": "used" },
      json: { input: { n: 2 } },
      code: "idempotency_conflict",
    },
    "an Idempotency-Key of 300 characters": {
      path: startAt,
      headers: { "idempotency-key": "x".repeat(300) },
      json: {},
      code: "request_invalid",
    },
    "a cancel of a run that is over": { path: "/api/v1/runs/{run}/cancel", json: {}, code: "run_transition_invalid" },
    "an answer to a run that asks nothing": { path: "/api/v1/runs/{run}/resume", json: { answer: "happened" }, code: "run_not_waiting" },
    "an answer that is none": { path: "/api/v1/runs/{run}/resume", json: { answer: "maybe" }, code: "request_invalid" },
    "a tool's arguments that do not fit": {
      path: "/api/v1/tools/{tool}/call",
      json: { arguments: { entry: 1 } },
      code: "request_invalid",
      issues: [{ path: "arguments.delayMs" }, { path: "arguments.entry" }],
    },
    "an approval of another definition": { path: "/api/v1/tools/{tool}/approve", json: { hash: "0".repeat(64) }, code: "conflict" },
    "an MCP server's name that is taken": {
      path: "/api/v1/mcp-servers",
      json: { name: "ledger", launch: { transport: "stdio", command: "true" } },
      code: "name_taken",
    },
    "an import of a server with neither command nor address": {
      path: "/api/v1/mcp-servers/import",
      json: { mcpServers: { one: {} } },
      code: "request_invalid",
    },
    "an import in which one name is taken": {
      path: "/api/v1/mcp-servers/import",
      json: { mcpServers: { fresh: { command: "true" }, ledger: { command: "true" } } },
      code: "name_taken",
    },
    "an MCP server at a metadata service": {
      path: "/api/v1/mcp-servers",
      json: { name: "metadata", launch: { transport: "http", url: "http://169.254.169.254/latest" } },
      code: "egress_denied",
    },
    "an MCP server at a file": {
      path: "/api/v1/mcp-servers",
      json: { name: "file", launch: { transport: "http", url: "file:///etc/passwd" } },
      code: "request_invalid",
    },
    "an A2A agent at a metadata service": {
      path: "/api/v1/agents",
      json: { name: "metadata", endpoint: { kind: "a2a", url: "http://169.254.169.254/" } },
      code: "egress_denied",
    },
    "a model provider at a metadata service in disguise": {
      path: "/api/v1/agents",
      json: { name: "metadata", endpoint: { kind: "openai", baseUrl: "http://[::ffff:a9fe:a9fe]/v1" } },
      code: "egress_denied",
    },
    "an agent of no kind": { path: "/api/v1/agents", json: { name: "odd", endpoint: { kind: "psychic" } }, code: "request_invalid" },
    "an agent that is called like the built-in provider": {
      path: "/api/v1/agents",
      json: { name: "offline", endpoint: { kind: "custom" } },
      code: "name_taken",
    },
    "a chat with a model that does not exist": {
      path: "/v1/chat/completions",
      json: { model: "offline/genius", messages: [{ role: "user", content: "Hello" }] },
      code: "model_unknown",
    },
    "a chat without messages": {
      path: "/v1/chat/completions",
      json: { model: "offline/extractive", messages: [] },
      code: "request_invalid",
    },
  });

  test("a command that does not exist is registered, says so, and a start is refused", async () => {
    const server = await platform.client.createMcpServer({
      body: { name: "missing", launch: { transport: "stdio", command: "/no/such/program", args: [], env: {} } },
    });
    expect(server).toMatchObject({ state: "FAILED", pid: null, lastError: { code: "mcp_command_not_found" } });
    await expectProblem({ path: `/api/v1/mcp-servers/${server.id}/start`, method: "POST", code: "mcp_command_not_found" });
    await platform.client.deleteMcpServer({ params: { id: server.id } });
  });

  test("an A2A agent where nothing listens is refused, and its name stays free", async () => {
    const json = { name: "nobody", endpoint: { kind: "a2a", url: `http://127.0.0.1:${await freePort()}/` } };
    for (let time = 0; time < 2; time += 1) await expectProblem({ path: "/api/v1/agents", json, code: "agent_unreachable" });
    expect((await platform.client.listAgents({ query: {} })).items).toEqual([]);
  });

  test("a workflow that names servers, agents and models nobody has fails its run with their codes", async () => {
    const nodes: Record<string, Json> = {
      mcp_server_unknown: { type: "mcp_tool", data: { server: "ghost", tool: "x" } },
      mcp_tool_unknown: { type: "mcp_tool", data: { server: "ledger", tool: "ghost" } },
      agent_unknown: { type: "custom_agent", data: { agent: "ghost", skill: "x" } },
      model_unknown: { type: "openai_model", data: { model: "ghost/x", messages: [{ role: "user", content: "x" }] } },
    };
    for (const [code, node] of Object.entries(nodes)) {
      const work = { id: "work", ...(typeof node === "object" && node !== null && !Array.isArray(node) ? node : {}) };
      const { id } = await platform.client.createWorkflow({
        body: { name: code, definition: definition({ nodes: [START, work, END], edges: [edge("start", "work"), edge("work", "end")] }) },
      });
      const run = await platform.client.startRun({ params: { id }, body: {} });
      expect(await platform.client.waitForRun(run.id)).toMatchObject({
        status: "failed",
        error: { code, nodeId: "work", remedy: expect.any(String) },
      });
    }
  });
});
