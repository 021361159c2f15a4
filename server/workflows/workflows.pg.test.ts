import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { RouteSpec } from "#contract/route.ts";
import type { LiveEvent } from "#contract/system.ts";
import * as contract from "#contract/workflows.ts";
import { newId } from "#server/kernel/ids.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createPlatform, definition, endNode, transform, type Platform } from "#test/support/runs.ts";

let db: TestDatabase;
let platform: Platform;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

type Sent = { id?: string; version?: number; body?: unknown; query?: unknown; tenantId?: string };
const call = <R extends RouteSpec>(route: R, { id, version, tenantId = db.tenantId, ...sent }: Sent = {}) =>
  callRoute(platform.workflows.routes, route, { ...sent, caller: ownerOf(tenantId), params: { id, version } });
const chain = (output: Json, more: object = {}) => ({ ...definition([transform("a", output), endNode()], ["start>a", "a>end"]), ...more });
const create = (name: string, of: object = chain(1), tenantId = db.tenantId) =>
  call(contract.createWorkflow, { body: { name, definition: of }, tenantId });

describe("creating", () => {
  test("keeps the definition with its defaults and says so to the audit trail and the live stream", async () => {
    const hints: LiveEvent[] = [];
    const stop = platform.base.live.subscribe(db.tenantId, (event) => hints.push(event));
    const made = await create("First", chain("a\u0000b\ud800", { description: "What it\0does" }));
    stop();
    expect(made).toMatchObject({ name: "First", version: 1, nodeTypes: ["start", "end", "transform"], description: "What it\ufffddoes" });
    expect(await call(contract.getWorkflow, { id: made.id })).toEqual(made);
    expect(made.definition.nodes[1]).toMatchObject({ data: { output: "a\u0000b\ud800" } });
    expect(hints).toEqual([{ type: "workflow", workflowId: made.id, version: 1 }]);
    const { rows } = await db.ownerPool.query("select action from audit_log where target = $1", [`workflow:${made.id}`]);
    expect(rows).toEqual([{ action: "workflow.created" }]);
  });

  test("names are unique per tenant, whatever their case", async () => {
    await create("Taken");
    await expect(create("TAKEN")).rejects.toMatchObject({ code: "name_taken" });
    expect((await create("Taken", chain(1), await db.secondTenant())).version).toBe(1);
    await expect(create("with\0nul")).rejects.toMatchObject({ code: "request_invalid" });
  });

  test("a definition without a name takes the workflow's", async () => {
    const { name: _name, ...nameless } = chain(1);
    expect((await create("Nameless", nameless)).definition.name).toBe("Nameless");
  });

  test.each<[string, Json, string]>([
    ["no object", 17, "workflow_invalid"],
    ["another version", { version: 1, name: "x", nodes: [], edges: [] }, "definition_version_unsupported"],
    ["an input that is no schema", JSON.parse(JSON.stringify(chain(1, { input: { type: "nonsense" } }))), "workflow_invalid"],
  ])("refuses %s with its issues", async (_what, of, code) => {
    await expect(call(contract.createWorkflow, { body: { name: newId(), definition: of } })).rejects.toMatchObject({
      code,
      issues: [expect.objectContaining({ message: expect.any(String) })],
    });
  });
});

describe("changing", () => {
  const update = (id: string, body: object) => call(contract.updateWorkflow, { id, body });

  test("publishes versions that stay as they were; the same definition makes none", async () => {
    const { id } = await create("Versioned", chain(1));
    expect(await update(id, { definition: chain(2), baseVersion: 1 })).toMatchObject({ version: 2 });
    expect(await update(id, { definition: chain(2) })).toMatchObject({ version: 2 });
    expect(await update(id, { definition: chain(2), name: "Renamed" })).toMatchObject({ version: 2, name: "Renamed" });
    expect(await update(id, { definition: chain(1) })).toMatchObject({ version: 3 });
    await expect(update(id, { definition: chain(4), baseVersion: 2 })).rejects.toMatchObject({ code: "conflict" });
    const first = await call(contract.getWorkflowVersion, { id, version: 1 });
    const third = await call(contract.getWorkflowVersion, { id, version: 3 });
    expect(first.definition).toEqual(third.definition);
    expect(first.hash).toBe(third.hash);
    const page = await call(contract.listWorkflowVersions, { id, query: { limit: 2 } });
    expect(page.items.map(({ version }) => version)).toEqual([3, 2]);
    const rest = await call(contract.listWorkflowVersions, { id, query: { cursor: page.nextCursor } });
    expect(rest.items.map(({ version }) => version)).toEqual([1]);
    await expect(call(contract.getWorkflowVersion, { id, version: 9 })).rejects.toMatchObject({ code: "version_unknown" });
  });

  test("two people at once: the second is told", async () => {
    const { id } = await create("Contended");
    const results = await Promise.allSettled([2, 3].map((n) => update(id, { definition: chain(n), baseVersion: 1 })));
    expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  });

  test("a name that is taken or cannot be stored is refused", async () => {
    await create("Occupied");
    const { id } = await create("Mover");
    await expect(update(id, { definition: chain(1), name: "occupied" })).rejects.toMatchObject({ code: "name_taken" });
    await expect(update(id, { definition: chain(1), name: "a\0" })).rejects.toMatchObject({ code: "request_invalid" });
  });

  test("versions cannot be changed, not even by the platform's own role", async () => {
    const { id } = await create("Immutable");
    await expect(
      db.database.asTenant(db.tenantId, (tx) => tx.query("update workflow_versions set hash = '' where workflow_id = $1", [id])),
    ).rejects.toThrow("permission denied");
  });

  test("a deleted workflow is gone, its name free and its version still there for runs", async () => {
    const { id } = await create("Deleted");
    expect(await call(contract.deleteWorkflow, { id })).toBeUndefined();
    for (const route of [contract.getWorkflow, contract.deleteWorkflow, contract.listWorkflowVersions, contract.validateWorkflow]) {
      await expect(call(route, { id })).rejects.toMatchObject({ code: "not_found" });
    }
    expect((await create("Deleted")).id).not.toBe(id);
    expect(await platform.workflows.loadForStart({ tenantId: db.tenantId, workflowId: id })).toBeUndefined();
    const plan = await platform.workflows.loadPlan({ tenantId: db.tenantId, workflowId: id, version: 1 });
    expect(plan.definition.nodes).toHaveLength(3);
  });

  test("saving brings the workflow of that name to that definition, and changes nothing the second time", async () => {
    const save = (n: number) =>
      platform.workflows.save({
        tenantId: db.tenantId,
        actor: "system:templates",
        name: "Saved",
        definition: JSON.parse(JSON.stringify(chain(n))),
      });
    const first = await save(1);
    expect(await save(1)).toMatchObject({ id: first.id, version: 1 });
    expect(await save(2)).toMatchObject({ id: first.id, version: 2 });
  });
});

describe("reading", () => {
  test("another tenant's workflow looks like one that does not exist", async () => {
    const { id } = await create("Private");
    const tenantId = await db.secondTenant();
    for (const route of [contract.getWorkflow, contract.listWorkflowVersions, contract.deleteWorkflow]) {
      await expect(call(route, { id, tenantId })).rejects.toMatchObject({ code: "not_found" });
    }
    await expect(call(contract.updateWorkflow, { id, tenantId, body: { definition: chain(1) } })).rejects.toMatchObject({
      code: "not_found",
    });
    expect((await call(contract.listWorkflows, { tenantId })).items).toEqual([]);
  });

  test("lists newest first, page by page, by part of the name", async () => {
    const tenantId = await db.secondTenant();
    for (const name of ["Alpha", "Beta 100%", "alphabet"]) await create(name, chain(1), tenantId);
    const list = (query: object) => call(contract.listWorkflows, { query, tenantId });
    const first = await list({ limit: 2 });
    expect(first.items.map(({ name }) => name)).toEqual(["alphabet", "Beta 100%"]);
    expect((await list({ limit: 2, cursor: first.nextCursor })).items.map(({ name }) => name)).toEqual(["Alpha"]);
    expect((await list({ name: "ALPHA" })).items).toHaveLength(2);
    expect((await list({ name: "%" })).items.map(({ name }) => name)).toEqual(["Beta 100%"]);
    expect((await list({ name: "\0" })).items).toEqual([]);
  });

  test("validates what is given, or the newest version, without saving", async () => {
    const { id } = await create("Checked");
    expect(await call(contract.validateWorkflow, { id })).toEqual({ valid: true, issues: [] });
    const dangling = { ...chain(1), edges: [{ id: "e", source: "start", target: "nowhere" }] };
    expect(await call(contract.validateWorkflow, { id, body: { definition: dangling } })).toMatchObject({ valid: false });
    const { valid, issues } = await call(contract.validateDefinition, { body: { definition: dangling } });
    expect([valid, issues.length > 0]).toEqual([false, true]);
    expect(await call(contract.validateDefinition, { body: { definition: [] } })).toMatchObject({ valid: false });
  });

  test("describes every node type", async () => {
    const { items } = await call(contract.listNodeTypes);
    expect(items.map(({ type }) => type)).toContain("mcp_tool");
  });
});
