import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { setTimeout as pause } from "node:timers/promises";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import { LIMITS } from "#contract/limits.ts";
import type { Run } from "#contract/runs.ts";
import { AppError } from "#server/kernel/errors.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import {
  createPlatform,
  createProcess,
  definition,
  endNode,
  isOver,
  journalOf,
  Outside,
  runWhen,
  saveWorkflow,
  startOf,
  tool,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "../index.ts";
import { sweepCached } from "../store/cache.pg.ts";

let db: TestDatabase;
let platform: Platform;
let outside: Outside;
let runs: Runs;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());
beforeEach(async () => {
  outside = new Outside();
  outside.answer = ({ input }) => Promise.resolve({ asked: input, call: outside.calls.length });
  runs = createProcess(platform, outside);
  await runs.start();
});
afterEach(() => runs.stop());

const cached = (policy: Parameters<typeof tool>[1] = {}, more: Partial<DefinitionInput> = {}): DefinitionInput =>
  definition(
    [tool("call", { effect: "none", cache: { ttlMs: 60_000 }, ...policy }, { arguments: { v: "=input.v" } }), endNode("=steps.call")],
    ["start>call", "call>end"],
    more,
  );

type Asking = { workflowId: string; input?: Json; tenantId?: string };
async function ask({ workflowId, input = { v: 1 }, tenantId = db.tenantId }: Asking): Promise<Run> {
  const { id } = await startOf(runs, tenantId, workflowId)(input);
  return runWhen(runs, { id, tenantId }, isOver);
}
const rows = async (): Promise<number> => (await db.ownerPool.query("select from step_cache")).rows.length;
async function kept(count: number): Promise<void> {
  while ((await rows()) !== count) await pause(5);
}
const forget = () => db.ownerPool.query("delete from step_cache");

describe("a node whose policy keeps results", () => {
  test("answers an equal step of another run and another workflow without a call, and says so", async () => {
    await forget();
    const first = await ask({ workflowId: await saveWorkflow(platform, cached()) });
    await kept(1);
    const second = await ask({ workflowId: await saveWorkflow(platform, cached({ effect: "idempotent" })) });
    expect(second.output).toEqual(first.output);
    expect(outside.calls).toHaveLength(1);
    const journal = await journalOf(runs, db.tenantId, second.id);
    expect(journal.filter(({ nodeId }) => nodeId === "call")).toMatchObject([{ kind: "step_succeeded", body: { source: "cache" } }]);
  });

  test("calls when it is asked something else, by another tenant, or what is kept is older than it likes", async () => {
    await forget();
    const workflowId = await saveWorkflow(platform, cached());
    await ask({ workflowId });
    await kept(1);
    await ask({ workflowId, input: { v: 2 } });
    const other = await db.secondTenant();
    await ask({ workflowId: await saveWorkflow(platform, cached(), other), tenantId: other });
    expect(outside.calls).toHaveLength(3);
    await kept(3);
    await db.ownerPool.query("update step_cache set created_at = now() - interval '10 s'");
    await ask({ workflowId: await saveWorkflow(platform, cached({ cache: { ttlMs: 5_000 } })) });
    expect(outside.calls).toHaveLength(4);
    outside.prepared = { binding: { agent: "another" } };
    await ask({ workflowId });
    expect(outside.calls).toHaveLength(5);
  });

  test.each<[string, Parameters<typeof tool>[1], (outside: Outside) => void]>([
    ["a failure", { onError: "continue" }, (o) => (o.answer = () => Promise.reject(new AppError("tool_failed", "no")))],
    ["a reported error", {}, (o) => (o.answer = () => Promise.resolve({ isError: true }))],
    ["a large result", {}, (o) => (o.answer = () => Promise.resolve("x".repeat(LIMITS.cacheOutputBytes)))],
    ["what the tool says happens once", { effect: undefined }, (o) => (o.prepared = { effect: "once" })],
  ])("does not keep %s", async (_what, policy, arrange) => {
    await forget();
    arrange(outside);
    const workflowId = await saveWorkflow(platform, cached(policy));
    await ask({ workflowId });
    await ask({ workflowId });
    expect(outside.calls).toHaveLength(2);
    expect(await rows()).toBe(0);
  });

  test("takes no part in confidential runs", async () => {
    await forget();
    await ask({ workflowId: await saveWorkflow(platform, cached()) });
    await kept(1);
    await ask({ workflowId: await saveWorkflow(platform, cached({}, { classification: "confidential" })) });
    expect(outside.calls).toHaveLength(2);
    expect(await rows()).toBe(1);
  });

  test("calls when what is kept cannot be read, and what has expired is swept away", async () => {
    await forget();
    const workflowId = await saveWorkflow(platform, cached());
    await ask({ workflowId });
    await kept(1);
    await db.ownerPool.query("update step_cache set output = 'broken'");
    expect(await ask({ workflowId })).toMatchObject({ status: "succeeded" });
    expect(outside.calls).toHaveLength(2);
    await db.ownerPool.query("update step_cache set expires_at = now() - interval '1 s'");
    expect(await sweepCached(db.database, 10)).toBe(1);
    expect(await rows()).toBe(0);
  });
});
