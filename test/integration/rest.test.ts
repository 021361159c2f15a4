import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Json } from "#contract/common.ts";
import { JournalEvent } from "#contract/journal.ts";
import { ROUTES } from "#contract/routes.ts";
import type { Client } from "#sdk/client.ts";
import { eventually } from "#test/support/eventually.ts";
import { ROOT } from "#test/support/source-files.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let client: Client;
const folder = mkdtempSync(join(tmpdir(), "auterity-rest-"));
const ledger = join(folder, "ledger.txt");

beforeAll(async () => {
  platform = await startedPlatform();
  client = platform.client;
  await client.createMcpServer({
    body: {
      name: "ledger",
      launch: {
        transport: "stdio",
        command: process.execPath,
        args: [join(ROOT, "test/support/mcp/ledger-server.ts")],
        env: { LEDGER_FILE: ledger },
      },
    },
  });
});
afterAll(async () => {
  await platform.close();
  rmSync(folder, { recursive: true });
});

const definition = (output: Json): Json => ({
  version: 2,
  name: "Greeting",
  input: { type: "object", properties: { name: { type: "string" } } },
  nodes: [
    { id: "start", type: "start" },
    { id: "greet", type: "transform", data: { output } },
    { id: "end", type: "end", data: { output: "=steps.greet" } },
  ],
  edges: [
    { id: "a", source: "start", target: "greet" },
    { id: "b", source: "greet", target: "end" },
  ],
});
const entering: Json = {
  version: 2,
  name: "Entering",
  nodes: [
    { id: "start", type: "start" },
    {
      id: "enter",
      type: "mcp_tool",
      data: { server: "ledger", tool: "enter", arguments: { entry: "=input.entry", delayMs: "=input.delayMs" } },
    },
    { id: "end", type: "end", data: { output: "=steps.enter.text" } },
  ],
  edges: [
    { id: "a", source: "start", target: "enter" },
    { id: "b", source: "enter", target: "end" },
  ],
};

const get = (path: string, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> =>
  fetch(`${platform.url}${path}`, { headers: { authorization: `Bearer ${platform.token}`, ...headers }, ...(signal ? { signal } : {}) });

/** The first `count` events of a stream; then the connection is dropped. */
async function firstEvents(
  runId: string,
  count: number,
  headers: Record<string, string> = {},
): Promise<{ id: number; event: JournalEvent }[]> {
  const stop = new AbortController();
  const response = await get(`/api/v1/runs/${runId}/events`, headers, stop.signal);
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  let text = "";
  for await (const part of response.body ?? []) {
    text += Buffer.from(part).toString();
    if (text.split("\n\n").filter((block) => block.includes("data: ")).length >= count) break;
  }
  stop.abort();
  return text
    .split("\n\n")
    .filter((block) => block.includes("data: "))
    .map((block) => ({
      id: Number(/^id: (\d+)$/m.exec(block)?.[1]),
      event: JournalEvent.parse(JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "null")),
    }));
}

describe("a workflow's life", () => {
  let id = "";

  test("is created, changed, and keeps its old version", async () => {
    const created = await client.createWorkflow({ body: { name: "Greeting", definition: definition("Hello, {{ input.name }}!") } });
    expect(created).toMatchObject({ version: 1, nodeTypes: ["start", "end", "transform"] });
    id = created.id;
    const changed = await client.updateWorkflow({
      params: { id },
      body: { definition: definition("Good day, {{ input.name }}!"), baseVersion: 1 },
    });
    expect(changed.version).toBe(2);
    const versions = await client.listWorkflowVersions({ params: { id }, query: {} });
    expect(versions.items.map(({ version }) => version)).toEqual([2, 1]);
    const old = await client.getWorkflowVersion({ params: { id, version: 1 } });
    expect(JSON.stringify(old.definition)).toContain("Hello, {{");
    expect(JSON.stringify((await client.getWorkflow({ params: { id } })).definition)).toContain("Good day, {{");
  });

  test("publishing the same again makes no version", async () => {
    const same = await client.updateWorkflow({ params: { id }, body: { definition: definition("Good day, {{ input.name }}!") } });
    expect(same.version).toBe(2);
  });

  test("is checked without being saved", async () => {
    expect(await client.validateWorkflow({ params: { id }, body: {} })).toEqual({ valid: true, issues: [] });
    expect(await client.validateWorkflow({ params: { id }, body: { definition: definition("=nonsense(") } })).toMatchObject({
      valid: false,
    });
    expect((await client.getWorkflow({ params: { id } })).version).toBe(2);
  });

  test("runs, old version and new", async () => {
    const outputs = await Promise.all(
      [1, 2].map(async (version) => {
        const run = await client.startRun({ params: { id }, body: { input: { name: "Ada" }, version } });
        return (await client.waitForRun(run.id)).output;
      }),
    );
    expect(outputs).toEqual(["Hello, Ada!", "Good day, Ada!"]);
  });

  test("is found by name, and gone when deleted, while its runs stay", async () => {
    const { id: other } = await client.createWorkflow({ body: { name: "Farewell", definition: definition("Bye") } });
    const run = await client.startRun({ params: { id: other }, body: {} });
    await client.waitForRun(run.id);
    expect((await client.listWorkflows({ query: { name: "Farewell" } })).items.map((item) => item.id)).toEqual([other]);
    await client.deleteWorkflow({ params: { id: other } });
    await expect(client.getWorkflow({ params: { id: other } })).rejects.toMatchObject({ code: "not_found" });
    expect(await client.getRun({ params: { id: run.id } })).toMatchObject({ status: "succeeded", workflowName: "Farewell" });
  });

  test("the same Idempotency-Key starts one run, however often and however many at once", async () => {
    const start = () => client.startRun({ params: { id }, headers: { "idempotency-key": "order-17" }, body: { input: { name: "Bo" } } });
    const runs = [...(await Promise.all([start(), start(), start()])), await start()];
    expect(new Set(runs.map((run) => run.id)).size).toBe(1);
  });
});

describe("runs", () => {
  let workflowId = "";
  const ids: string[] = [];
  beforeAll(async () => {
    workflowId = (await client.createWorkflow({ body: { name: "Counted", definition: definition("={'n': input.n}") } })).id;
    for (let n = 0; n < 7; n += 1) {
      const { id } = await client.startRun({ params: { id: workflowId }, body: { input: { n }, tags: [n % 2 === 0 ? "even" : "odd"] } });
      await client.waitForRun(id);
      ids.unshift(id);
    }
  });

  test("are listed newest first, in pages that neither miss nor repeat one", async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.listRuns({ query: { workflowId, limit: 3, ...(cursor === undefined ? {} : { cursor }) } });
      expect(page.items.length).toBeLessThanOrEqual(3);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(ids);
  });

  test("are filtered by status, tag and time", async () => {
    const count = async (query: Parameters<Client["listRuns"]>[0]): Promise<number> => (await client.listRuns(query)).items.length;
    expect(await count({ query: { workflowId, status: "succeeded,failed" } })).toBe(7);
    expect(await count({ query: { workflowId, status: "queued,cancelled" } })).toBe(0);
    expect(await count({ query: { workflowId, tag: "odd" } })).toBe(3);
    expect(await count({ query: { workflowId, from: "2200-01-01T00:00:00Z" } })).toBe(0);
    expect(await count({ query: { workflowId, to: "2200-01-01T00:00:00Z" } })).toBe(7);
  });

  test("their journal comes in pages, without gaps", async () => {
    const id = ids[0] ?? "";
    const events: JournalEvent[] = [];
    let after: number | null = 0;
    while (after !== null) {
      const page: { items: JournalEvent[]; nextAfter: number | null } = await client.getRunJournal({
        params: { id },
        query: { after, limit: 2 },
      });
      events.push(...page.items);
      after = page.nextAfter;
    }
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    expect(events.at(0)?.kind).toBe("run_created");
    expect(events.at(-1)?.kind).toBe("run_succeeded");
    expect((await client.getRun({ params: { id } })).seq).toBe(events.length);
  });

  test("their event stream goes on after the Last-Event-ID, with nothing missing or twice", async () => {
    const id = ids[0] ?? "";
    const { items } = await client.getRunJournal({ params: { id } });
    const before = await firstEvents(id, 2);
    const last = before[1]?.id ?? 0;
    const rest = await firstEvents(id, items.length - 2, { "last-event-id": String(last) });
    expect([...before.slice(0, 2), ...rest].map((each) => each.id)).toEqual(items.map(({ seq }) => seq));
    expect([...before.slice(0, 2), ...rest].map(({ event }) => event)).toEqual(items);
  });

  test("a retry is a new run that names its parent and has its version and input", async () => {
    const parent = await client.getRun({ params: { id: ids[0] ?? "" } });
    const retried = await client.retryRun({ params: { id: parent.id } });
    expect(retried).toMatchObject({ parentRunId: parent.id, version: parent.version, input: parent.input });
    expect(retried.id).not.toBe(parent.id);
    expect(await client.waitForRun(retried.id)).toMatchObject({ status: "succeeded", output: parent.output });
  });
});

describe("a run with an MCP call", () => {
  let workflowId = "";
  beforeAll(async () => {
    workflowId = (await client.createWorkflow({ body: { name: "Entering", definition: entering } })).id;
  });

  test("leaves messages that are joined to the run and the step", async () => {
    const { id } = await client.startRun({ params: { id: workflowId }, body: { input: { entry: "one", delayMs: 1 } } });
    expect(await client.waitForRun(id)).toMatchObject({ status: "succeeded", output: "one" });
    const { items } = await eventually(
      () => client.listMessages({ query: { runId: id } }),
      (page) => page.items.length >= 2,
    );
    expect(items.map(({ direction, kind, method }) => ({ direction, kind, method }))).toEqual([
      { direction: "out", kind: "request", method: "tools/call" },
      { direction: "in", kind: "response", method: "tools/call" },
    ]);
    for (const item of items)
      expect(item).toMatchObject({ protocol: "mcp", runId: id, nodeId: "enter", scope: "", attempt: 1, truncated: false });
    expect(new Set(items.map(({ correlationId }) => correlationId)).size).toBe(1);
    expect(items[1]?.latencyMs).toBeGreaterThan(0);
    expect(JSON.stringify(items[0]?.content)).toContain('"entry":"one"');
    expect(await client.listMessages({ query: { runId: id, nodeId: "other" } })).toMatchObject({ items: [] });
  });

  test("is cancelled while the tool works, and can be retried", async () => {
    const { id } = await client.startRun({ params: { id: workflowId }, body: { input: { entry: "slow", delayMs: 60_000 } } });
    await eventually(
      () => client.getRunJournal({ params: { id } }),
      ({ items }) => items.some(({ kind }) => kind === "step_started"),
    );
    await client.cancelRun({ params: { id }, body: { reason: "no longer needed" } });
    expect(await client.waitForRun(id)).toMatchObject({ status: "cancelled" });
    const kinds = (await client.getRunJournal({ params: { id } })).items.map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(["cancel_requested", "step_cancelled", "run_cancelled"]));
    expect(readFileSync(ledger, "utf8")).toBe("one\n");
    const { items } = await eventually(
      () => client.listMessages({ query: { protocol: "mcp", limit: 200 } }),
      (page) => page.items.some(({ method }) => method === "notifications/cancelled"),
    );
    expect(items.length).toBeGreaterThan(0);
    const again = await client.retryRun({ params: { id } });
    await client.cancelRun({ params: { id: again.id } });
    expect(await client.waitForRun(again.id)).toMatchObject({ status: "cancelled", parentRunId: id });
  });
});

describe("models over the OpenAI API", () => {
  const text = "The gearbox grinds in third gear. The customer wants it repaired before Friday. It was serviced in May.";
  const messages = [{ role: "user" as const, content: `Summarise: ${text}` }];
  const model = "offline/extractive";
  const openai = () => new OpenAI({ baseURL: `${platform.url}/v1`, apiKey: platform.token, maxRetries: 0 });

  test("are listed, and answer whole or in a stream", async () => {
    const names: string[] = [];
    for await (const each of openai().models.list()) names.push(each.id);
    expect(names).toContain(model);
    const whole = await openai().chat.completions.create({ model, messages });
    const content = whole.choices[0]?.message.content ?? "";
    expect(content).toContain("gearbox");
    let streamed = "";
    for await (const chunk of await openai().chat.completions.create({ model, messages, stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? "";
    }
    expect(streamed).toBe(content);
  });

  test("refuse in the form that its clients read", async () => {
    await expect(openai().chat.completions.create({ model: "ghost/x", messages })).rejects.toMatchObject({
      status: 404,
      code: "model_unknown",
    });
  });
});

describe("what watches the platform", () => {
  test("health, readiness and who one is", async () => {
    expect(await client.healthz()).toEqual({ status: "ok" });
    expect(await client.readyz()).toMatchObject({ status: "ready", version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect(await client.getMe()).toMatchObject({ role: "owner", kind: "user" });
  });

  test("metrics count runs, steps, events and requests", async () => {
    const text = await client.metricsText();
    const value = (name: string): number => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, "m").exec(text)?.[1]);
    expect(value("auterity_runs_started_total")).toBeGreaterThan(10);
    expect(value("auterity_runs_ended_total")).toBeGreaterThan(0);
    expect(value("auterity_step_attempts_total")).toBeGreaterThan(0);
    expect(value("auterity_journal_events_total")).toBeGreaterThan(40);
    expect(text).toMatch(/^auterity_http_request_duration_seconds_count\{route="startRun",method="POST",status="2xx"\} \d+$/m);
    expect(text).toContain("process_resident_memory_bytes");
  });

  test("/openapi.json is the document in docs, and names every route", async () => {
    const served: unknown = await (await get("/openapi.json")).json();
    expect(served).toEqual(JSON.parse(readFileSync(join(ROOT, "docs/openapi.json"), "utf8")));
    const document = z
      .object({
        openapi: z.string(),
        info: z.object({ title: z.string(), version: z.string() }),
        paths: z.record(z.string(), z.record(z.string(), z.unknown())),
      })
      .parse(served);
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    const absent = Object.values(ROUTES).filter(
      ({ method, path }) => document.paths[path.replaceAll(/:(\w+)/g, "{$1}")]?.[method.toLowerCase()] === undefined,
    );
    expect(absent.map(({ name }) => name)).toEqual([]);
  });

  test("node types and models say what can be used", async () => {
    const types = await client.listNodeTypes();
    expect(types.items.map(({ type }) => type)).toEqual(
      expect.arrayContaining(["start", "end", "mcp_tool", "openai_model", "custom_agent", "a2a_agent", "transform", "condition", "map"]),
    );
    for (const { dataSchema } of types.items) expect(dataSchema).toMatchObject({ type: "object" });
    expect((await client.listModels()).items).toContainEqual(expect.objectContaining({ id: "offline/extractive", languageModel: false }));
  });

  test("the audit trail names what was done, and holds", async () => {
    const actions = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await client.listAudit({ query: { limit: 50, ...(cursor === undefined ? {} : { cursor }) } });
      for (const { action } of page.items) actions.add(action);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    for (const action of [
      "workflow.created",
      "workflow.updated",
      "workflow.deleted",
      "run.started",
      "run.cancel_requested",
      "mcp_server.registered",
      "mcp_server.launch_approved",
      "mcp_process.starting",
    ]) {
      expect(actions).toContain(action);
    }
    const { items } = await client.listAudit({ query: { action: "workflow.deleted" } });
    expect(items).toHaveLength(1);
    expect(await client.verifyAudit()).toMatchObject({ valid: true, firstBroken: null });
  });

  test("a trail that somebody changed in the database does not hold", async () => {
    const superuser = await platform.sql();
    await superuser.query("alter table audit_log disable trigger user");
    await superuser.query("update audit_log set actor = 'user:somebody' where seq = 3");
    await superuser.query("alter table audit_log enable trigger user");
    expect(await client.verifyAudit()).toMatchObject({ valid: false, firstBroken: 3 });
  });
});
