import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Tx } from "#server/kernel/ports.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { selectRuns, type RunFilter } from "./runs.pg.ts";

let db: TestDatabase;
const WORKFLOW = "00000000-0000-7000-8000-00000000000a";
beforeAll(async () => {
  db = await testDatabase();
  // One tenant's runs among those of others.
  await db.ownerPool.query(
    `insert into runs (id, tenant_id, workflow_id, workflow_name, version, status, input, initiator)
     select uuidv7(), case n % 4 when 0 then $1::uuid else md5((n % 4)::text)::uuid end, case n % 50 when 0 then $2::uuid else gen_random_uuid() end,
       'Listed', 1, case n % 200 when 0 then 'failed' else 'succeeded' end, '', 'user:owner'
     from generate_series(1, 20000) n`,
    [db.tenantId, WORKFLOW],
  );
  await db.ownerPool.query("analyze runs");
});
afterAll(() => db.close());

async function planOf(filter: RunFilter): Promise<string> {
  let plan = "";
  await db.database.asTenant(db.tenantId, async (tx) => {
    const explaining: Tx = {
      query: async (text, values) => {
        const rows = await tx.query<{ "QUERY PLAN": string }>(`explain ${text}`, values);
        plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
        return [];
      },
    };
    await selectRuns(explaining, filter);
  });
  return plan;
}

describe("lists of runs come out of an index, without sorting everything", () => {
  test.each<[string, Omit<RunFilter, "limit">, string]>([
    ["all", {}, "Index Scan Backward using runs_newest"],
    ["a later page", { before: "ffffffff-ffff-7fff-8fff-ffffffffffff" }, "Index Scan Backward using runs_newest"],
    ["those of a workflow", { workflowId: WORKFLOW }, "using runs_of_workflow"],
    ["those that failed", { status: ["failed"] }, "using runs_in_status"],
    ["those under way", { status: ["queued", "running", "waiting"] }, "using runs_in_status"],
    ["dead ones", { dead: true }, "using runs_in_status"],
    ["those that succeeded, as most do", { status: ["succeeded"] }, "Index Scan Backward using runs_newest"],
  ])("%s", async (_name, filter, expected) => {
    const plan = await planOf({ ...filter, limit: 50 });
    expect(plan).toContain(expected);
    expect(plan).not.toContain("Seq Scan on runs");
  });
});
