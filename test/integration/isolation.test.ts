import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { join } from "node:path";
import type pg from "pg";
import type { RouteSpec } from "#contract/route.ts";
import { ROUTES } from "#contract/routes.ts";
import { createClient, type Client } from "#sdk/client.ts";
import { newId } from "#server/kernel/ids.ts";
import { startPlatform } from "#server/main.ts";
import { GLOBAL_TABLES } from "#server/postgres/global-tables.ts";
import { eventually } from "#test/support/eventually.ts";
import { askedInRun } from "#test/support/mcp/asked-in-run.ts";
import { isStream, requestFor, tellsForeignFromAbsent, type Send } from "#test/support/route-walk.ts";
import { ROOT } from "#test/support/source-files.ts";
import { addTenant, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

const DEFAULT_TENANT = "00000000-0000-7000-8000-000000000001";
/** Is in the name or the text of everything that the first workspace has. */
const MARK = "zebrafish";

let platform: StartedPlatform;
let superuser: pg.Client;
let stranger: { tenantId: string; token: string };
let strange: Client;
let theirs: {
  workflow: string;
  run: string;
  server: string;
  tool: string;
  agent: string;
  approval: string;
  schedule: string;
  webhook: string;
  listener: string;
  frame: string;
  question: string;
};

beforeAll(async () => {
  platform = await startedPlatform();
  superuser = await platform.sql();
  stranger = await addTenant(superuser, "Stranger");
  strange = createClient({ url: platform.url, token: stranger.token });
  theirs = await furnish(platform.client);
});
afterAll(() => platform.close());

/** One of everything that has an id. */
async function furnish(client: Client): Promise<typeof theirs> {
  await client.putSecret({ params: { name: `${MARK}_key` }, body: { value: `${MARK}-value-of-a-secret` } });
  const server = await client.createMcpServer({
    body: {
      name: `${MARK}-ledger`,
      launch: { transport: "stdio", command: process.execPath, args: [join(ROOT, "test/support/mcp/ledger-server.ts")], env: {} },
    },
  });
  const tools = await client.listServerTools({ params: { id: server.id } });
  const agent = await client.createAgent({ body: { name: `${MARK}-agent`, endpoint: { kind: "custom" } } });
  const definition = {
    version: 2,
    name: MARK,
    tags: [MARK],
    nodes: [
      { id: "start", type: "start" },
      { id: "say", type: "openai_model", data: { model: "offline/extractive", messages: [{ role: "user", content: `${MARK} swims.` }] } },
      { id: "end", type: "end", data: { output: { text: "=steps.say.text" } } },
    ],
    edges: [
      { id: "a", source: "start", target: "say" },
      { id: "b", source: "say", target: "end" },
    ],
  };
  const workflow = await client.createWorkflow({ body: { name: MARK, definition } });
  const run = await client.startRun({ params: { id: workflow.id }, body: { input: { MARK }, tags: [MARK] } });
  await client.waitForRun(run.id);
  const schedule = await client.createSchedule({ body: { workflowId: workflow.id, cron: "0 0 1 1 *", input: { MARK } } });
  const webhook = await client.createWebhook({
    body: { workflowId: workflow.id, verification: { kind: "token" }, headers: [`x-${MARK}`] },
  });
  const action = { kind: "webhook", url: `https://${MARK}.example/ended` } as const;
  const listener = await client.createRunListener({ body: { workflowId: workflow.id, on: ["failed"], action } });
  const approval = await askFor(client);
  const frames = await eventually(
    () => client.listMessages({ query: { protocol: "mcp" } }),
    (page) => page.items.length > 0,
  );
  const question = (await askedInRun(client, { name: `${MARK}-asks` })).id;
  const others = { schedule: schedule.id, webhook: webhook.id, listener: listener.id, frame: frames.items[0]?.id ?? "", question };
  return { workflow: workflow.id, run: run.id, server: server.id, tool: tools.items[0]?.id ?? "", agent: agent.id, approval, ...others };
}

/** A run that waits for a decision. */
async function askFor(client: Client): Promise<string> {
  const definition = {
    version: 2,
    name: `${MARK} asks`,
    nodes: [
      { id: "start", type: "start" },
      { id: "ask", type: "approval", data: { approvers: ["role:owner"], message: MARK } },
      { id: "end", type: "end" },
    ],
    edges: [
      { id: "a", source: "start", target: "ask" },
      { id: "b", source: "ask", target: "end" },
    ],
  };
  const { id } = await client.createWorkflow({ body: { name: definition.name, definition } });
  await client.startRun({ params: { id }, body: {} });
  const { items } = await eventually(
    () => client.listApprovals({ query: {} }),
    (page) => page.items.length > 0,
  );
  return items[0]?.id ?? "";
}

const send: Send = async ({ method, url, headers, payload }) => {
  const answer = await fetch(`${platform.url}${url}`, { method, headers, ...(payload === undefined ? {} : { body: payload }) });
  return { status: answer.status, body: await answer.text() };
};

const all: readonly RouteSpec[] = Object.values(ROUTES);

describe("another workspace over HTTP", () => {
  test("its records answer exactly like records that do not exist, on every route with an id", async () => {
    const foreignIds = [
      { path: "/api/v1/workflows", id: theirs.workflow },
      { path: "/api/v1/runs", id: theirs.run },
      { path: "/api/v1/mcp-servers", id: theirs.server },
      { path: "/api/v1/tools", id: theirs.tool },
      { path: "/api/v1/agents", id: theirs.agent },
      { path: "/api/v1/approvals", id: theirs.approval },
      { path: "/api/v1/schedules", id: theirs.schedule },
      { path: "/api/v1/webhooks", id: theirs.webhook },
      { path: "/api/v1/run-listeners", id: theirs.listener },
      { path: "/api/v1/frames", id: theirs.frame },
      { path: "/api/v1/mcp-questions", id: theirs.question },
    ];
    // The catalogue comes with the platform and is everybody's.
    const ofSomebody = all.filter(({ path }) => path.includes(":id") && !path.startsWith("/api/v1/mcp-catalogue/"));
    const uncovered = ofSomebody.filter(({ path }) => !foreignIds.some((known) => path.startsWith(`${known.path}/:id`)));
    expect(uncovered.map(({ name }) => name)).toEqual([]);
    expect(await tellsForeignFromAbsent(send, { token: stranger.token, foreignIds, randomId: newId() })).toEqual([]);
  });

  test("nothing of that walk had an effect", async () => {
    const { client } = platform;
    expect(await client.getWorkflow({ params: { id: theirs.workflow } })).toMatchObject({ version: 1 });
    expect(await client.getRun({ params: { id: theirs.run } })).toMatchObject({ status: "succeeded" });
    expect(await client.getMcpServer({ params: { id: theirs.server } })).toMatchObject({ state: "READY", restarts: 0 });
    expect((await client.listServerTools({ params: { id: theirs.server } })).items[0]).toMatchObject({ approval: "approved" });
    expect(await client.getAgent({ params: { id: theirs.agent } })).toMatchObject({ name: `${MARK}-agent` });
    expect((await client.listRuns({ query: {} })).items).toHaveLength(3);
    expect(await client.getMcpQuestion({ params: { id: theirs.question } })).toMatchObject({ status: "pending" });
    expect(await client.getApproval({ params: { id: theirs.approval } })).toMatchObject({ status: "pending", decisions: [] });
    expect(await client.getSchedule({ params: { id: theirs.schedule } })).toMatchObject({ enabled: true, version: null });
    expect(await client.getWebhook({ params: { id: theirs.webhook } })).toMatchObject({ rotatedAt: null });
    expect(await client.getRunListener({ params: { id: theirs.listener } })).toMatchObject({ on: ["failed"] });
  });

  test("no list shows anything of it", async () => {
    const lists = all.filter(({ method, path }) => method === "GET" && !path.includes(":"));
    for (const route of lists.filter((route) => !isStream(route))) {
      const { status, body } = await send(requestFor(route, { token: stranger.token, id: "" }));
      expect({ route: route.name, status }).toEqual({ route: route.name, status: 200 });
      const shown = [MARK, ...Object.values(theirs), DEFAULT_TENANT].filter((text) => body.includes(text));
      expect({ route: route.name, shown }).toEqual({ route: route.name, shown: [] });
    }
  });

  test("filters by its ids find as much as filters by ids that do not exist", async () => {
    for (const id of [theirs.run, theirs.workflow, newId()]) {
      expect(await strange.listMessages({ query: { runId: id } })).toEqual({ items: [], nextCursor: null });
      expect(await strange.listRuns({ query: { workflowId: id } })).toEqual({ items: [], nextCursor: null });
    }
    expect(await strange.listRuns({ query: { tag: MARK } })).toEqual({ items: [], nextCursor: null });
    expect(await strange.listTools({ query: { q: "enter" } })).toEqual({ items: [], nextCursor: null });
  });

  test("a secret of theirs is as absent as one that does not exist", async () => {
    const refusals = await Promise.all(
      [`${MARK}_key`, "no_such_key"].map((name) => strange.deleteSecret({ params: { name } }).catch((error: unknown) => error)),
    );
    expect(refusals).toMatchObject([
      { status: 404, code: "not_found" },
      { status: 404, code: "not_found" },
    ]);
    expect((await platform.client.listSecrets({ query: {} })).items).toHaveLength(1);
  });

  test("names and idempotency keys of theirs are free", async () => {
    const before = await platform.client.startRun({
      params: { id: theirs.workflow },
      headers: { "idempotency-key": "shared" },
      body: { input: {} },
    });
    const definition = {
      version: 2,
      name: MARK,
      nodes: [
        { id: "start", type: "start" },
        { id: "end", type: "end" },
      ],
      edges: [{ id: "e", source: "start", target: "end" }],
    };
    const workflow = await strange.createWorkflow({ body: { name: MARK, definition } });
    const run = await strange.startRun({ params: { id: workflow.id }, headers: { "idempotency-key": "shared" }, body: { input: {} } });
    expect(run.id).not.toBe(before.id);
    expect((await strange.createAgent({ body: { name: `${MARK}-agent`, endpoint: { kind: "custom" } } })).id).not.toBe(theirs.agent);
  });

  test("their MCP server cannot be used by naming it in a workflow", async () => {
    const definition = {
      version: 2,
      name: "Borrower",
      nodes: [
        { id: "start", type: "start" },
        { id: "enter", type: "mcp_tool", data: { server: `${MARK}-ledger`, tool: "enter", arguments: { entry: "x", delayMs: 0 } } },
        { id: "end", type: "end" },
      ],
      edges: [
        { id: "a", source: "start", target: "enter" },
        { id: "b", source: "enter", target: "end" },
      ],
    };
    const workflow = await strange.createWorkflow({ body: { name: "Borrower", definition } });
    const { id } = await strange.startRun({ params: { id: workflow.id }, body: { input: {} } });
    expect(await strange.waitForRun(id)).toMatchObject({ status: "failed", error: { code: "mcp_server_unknown" } });
  });

  test("their live events do not arrive", async () => {
    const stop = new AbortController();
    const answer = await fetch(`${platform.url}/api/v1/events`, {
      headers: { authorization: `Bearer ${stranger.token}` },
      signal: stop.signal,
    });
    const definition = {
      version: 2,
      name: "x",
      nodes: [
        { id: "start", type: "start" },
        { id: "end", type: "end" },
      ],
      edges: [{ id: "e", source: "start", target: "end" }],
    };
    const [foreign, own] = [
      await platform.client.createWorkflow({ body: { name: "Seen by its owner", definition } }),
      await strange.createWorkflow({ body: { name: "Seen by the stranger", definition } }),
    ];
    let text = "";
    for await (const part of answer.body ?? []) {
      text += Buffer.from(part).toString();
      if (text.includes(own.id)) break;
    }
    stop.abort();
    expect(text).not.toContain(foreign.id);
  });
});

describe("another workspace in SQL", () => {
  let api: pg.Client;
  let tables: { name: string; hasTenant: boolean }[];

  beforeAll(async () => {
    api = await platform.sql("auterity_api");
    const { rows } = await superuser.query<{ name: string; hasTenant: boolean }>(`
      select t.table_name as name, exists (
        select from information_schema.columns c
        where c.table_schema = t.table_schema and c.table_name = t.table_name and c.column_name = 'tenant_id'
      ) as "hasTenant"
      from information_schema.tables t where t.table_schema = 'public' and t.table_type = 'BASE TABLE' order by 1`);
    tables = rows;
  });

  /** What the statement does with this tenant set, or none: the number of rows, or the state of the error. */
  async function rowsFor(tenantId: string | undefined, sql: string): Promise<number | string> {
    await api.query("begin");
    try {
      if (tenantId !== undefined) await api.query("select set_config('auterity.tenant_id', $1, true)", [tenantId]);
      return (await api.query(sql)).rowCount ?? 0;
    } catch (error) {
      return error instanceof Error && "code" in error ? String(error.code) : "failed";
    } finally {
      await api.query("rollback");
    }
  }
  /** Partitions may not be named at all. */
  const isNothing = (outcome: number | string): boolean => outcome === 0 || outcome === "42501";
  const owned = (): string[] => tables.filter(({ name }) => !GLOBAL_TABLES.some((global) => global === name)).map(({ name }) => name);

  test("the first workspace has rows in the tables that count, so that their absence means something", async () => {
    const empty: string[] = [];
    for (const table of [
      "workflows",
      "workflow_versions",
      "runs",
      "run_journal",
      "mcp_servers",
      "mcp_tools",
      "mcp_server_logs",
      "mcp_processes",
      "agents",
      "agent_tokens",
      "principals",
      "api_tokens",
      "secrets",
      "tenant_keys",
      "audit_log",
      "audit_heads",
      "protocol_frames",
      "idempotency_keys",
      "schedules",
      "webhooks",
      "run_listeners",
    ]) {
      const { rowCount } = await superuser.query(`select from ${table} where tenant_id = $1 limit 1`, [DEFAULT_TENANT]);
      if (rowCount === 0) empty.push(table);
    }
    expect(empty).toEqual([]);
  });

  test("every table either belongs to tenants or is listed as global", () => {
    expect(tables.length).toBeGreaterThan(25);
    expect(tables.filter(({ name, hasTenant }) => !hasTenant && owned().includes(name))).toEqual([]);
  });

  test("no table shows or gives up a row of it, whatever is asked", async () => {
    const leaks: string[] = [];
    for (const table of owned()) {
      for (const sql of [
        `select from ${table} where tenant_id = '${DEFAULT_TENANT}'`,
        `select from ${table} where tenant_id <> '${stranger.tenantId}' or tenant_id is null`,
        `update ${table} set tenant_id = '${stranger.tenantId}' where tenant_id = '${DEFAULT_TENANT}'`,
        `delete from ${table} where tenant_id = '${DEFAULT_TENANT}'`,
      ]) {
        const outcome = await rowsFor(stranger.tenantId, sql);
        if (!isNothing(outcome)) leaks.push(`${sql}: ${outcome}`);
      }
    }
    expect(leaks).toEqual([]);
  });

  test("without a tenant, and with nonsense for one, no table shows a row", async () => {
    const leaks: string[] = [];
    for (const table of [...owned(), "tenants"]) {
      for (const tenantId of [undefined, "", newId()]) {
        const outcome = await rowsFor(tenantId, `select from ${table}`);
        if (!isNothing(outcome)) leaks.push(`${table} for ${tenantId ?? "none"}: ${outcome}`);
      }
      if (!isNothing(await rowsFor("nonsense", `select from ${table}`)))
        expect(await rowsFor("nonsense", `select from ${table}`)).toBe("22P02");
    }
    expect(leaks).toEqual([]);
    expect(await rowsFor(stranger.tenantId, "select from tenants")).toBe(1);
  });

  test("row-level security cannot be switched off", async () => {
    await api.query("set row_security = off");
    const outcomes = new Set<number | string>();
    for (const table of owned()) outcomes.add(await rowsFor(stranger.tenantId, `select from ${table}`));
    await api.query("set row_security = on");
    expect([...outcomes]).toEqual(["42501"]);
  });

  test("the role can become no other", async () => {
    for (const role of ["auterity_owner", "auterity_worker", "auterity_admin"]) {
      await expect(api.query(`set role ${role}`)).rejects.toMatchObject({ code: "42501" });
    }
  });
});

test("the platform refuses to serve through a role that could look past all that", async () => {
  await superuser.query("alter role auterity_api bypassrls");
  await superuser.query("alter role auterity_worker superuser");
  await superuser.end();
  await platform.platform.stop();
  await expect(startPlatform(platform.config)).rejects.toMatchObject({
    code: "config_invalid",
    remedy: "ALTER ROLE auterity_api NOSUPERUSER NOBYPASSRLS; ALTER ROLE auterity_worker NOSUPERUSER NOBYPASSRLS;",
  });
});
