import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decideApproval, delegateApproval, listApprovals, type Approval } from "#contract/approvals.ts";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import type { Role } from "#contract/permissions.ts";
import { cancelRun, type Run } from "#contract/runs.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { runProcesses } from "#test/support/run-processes.ts";
import {
  createPlatform,
  definition,
  endNode,
  isOver,
  journalOf,
  Outside,
  runWhen,
  saveWorkflow,
  startOf,
  tool,
  transform,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "../index.ts";

let db: TestDatabase;
let platform: Platform;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

const processes = runProcesses(() => platform);

const person = (name: string, role: Role = "operator"): Caller => ({ ...ownerOf(db.tenantId), ref: `user:${name}`, role });
const asking = (data: object, ...rest: DefinitionInput["nodes"]): DefinitionInput => {
  const nodes = [{ id: "ask", type: "approval", data: { approvers: ["role:operator"], ...data } }, ...rest] as DefinitionInput["nodes"];
  const ids = ["start", "ask", ...rest.map(({ id }) => id), "end"];
  return definition(
    [...nodes, endNode("=steps.ask")],
    ids.slice(1).map((id, i) => `${ids[i] ?? ""}>${id}`),
  );
};
const begin = async (runs: Runs, of: DefinitionInput, input: Json = {}): Promise<Run> =>
  startOf(runs, db.tenantId, await saveWorkflow(platform, of))(input);
const over = (runs: Runs, run: Run): Promise<Run> => runWhen(runs, { id: run.id, tenantId: db.tenantId }, isOver);
const listed = async (runs: Runs, run: Run, caller = person("ann")): Promise<Approval[]> =>
  (await callRoute(runs.routes, listApprovals, { caller, query: { runId: run.id, limit: 50 } })).items;
/** Waits for the run's question. */
async function asked(runs: Runs, run: Run): Promise<Approval> {
  await runWhen(runs, { id: run.id, tenantId: db.tenantId }, ({ status }) => status === "waiting");
  const [approval] = await listed(runs, run);
  if (!approval) throw new Error("A run that waits for a decision lists no approval.");
  return approval;
}
type Said = { decision: "approve" | "reject"; comment?: string; arguments?: Json };
const decide = (runs: Runs, { id }: Approval, caller: Caller, body: Said): Promise<Approval> =>
  callRoute(runs.routes, decideApproval, { caller, params: { id }, body });

describe("approvals", () => {
  test("are listed with what is asked from the moment the run waits, and let it go on", async () => {
    const runs = await processes.started();
    const run = await begin(runs, asking({ message: "Pay {{ input.amount }}?", arguments: { amount: "=input.amount" } }), { amount: 5 });
    const approval = await asked(runs, run);
    expect(approval).toMatchObject({
      status: "pending",
      message: "Pay 5?",
      arguments: { amount: 5 },
      needed: 1,
      mayDecide: true,
      nodeId: "ask",
    });
    await decide(runs, approval, person("ann"), { decision: "approve", comment: "fine" });
    expect((await over(runs, run)).output).toMatchObject({
      approved: true,
      arguments: { amount: 5 },
      decisions: [{ by: "user:ann", decision: "approve", comment: "fine" }],
    });
    expect(await listed(runs, run)).toMatchObject([{ status: "approved", mayDecide: false }]);
  });

  test("wait for n different people; the same one twice is told so", async () => {
    const runs = await processes.started();
    const run = await begin(runs, asking({ n: 2 }));
    const approval = await asked(runs, run);
    await decide(runs, approval, person("ann"), { decision: "approve" });
    await expect(decide(runs, approval, person("ann"), { decision: "approve" })).rejects.toMatchObject({ code: "approval_closed" });
    expect((await listed(runs, run))[0]).toMatchObject({ status: "pending", mayDecide: false });
    await decide(runs, approval, person("bob"), { decision: "approve" });
    expect((await over(runs, run)).status).toBe("succeeded");
  });

  test("one rejection is enough; without a way for it, the step fails with the comment", async () => {
    const runs = await processes.started();
    const run = await begin(runs, asking({ n: 2 }));
    await decide(runs, await asked(runs, run), person("ann"), { decision: "reject", comment: "too dear" });
    expect((await over(runs, run)).error).toMatchObject({ code: "approval_rejected", message: "user:ann has rejected it: too dear." });
    expect(await listed(runs, run)).toMatchObject([{ status: "rejected" }]);
  });

  test("a rejection leaves by its own handle where an edge does", async () => {
    const runs = await processes.started();
    const run = await begin(
      runs,
      definition(
        [{ id: "ask", type: "approval", data: { approvers: ["role:operator"] } }, transform("no", "refused"), endNode("=steps.no")],
        ["start>ask", "ask:rejected>no", "no>end", "ask>end"],
      ),
    );
    await decide(runs, await asked(runs, run), person("ann"), { decision: "reject" });
    expect((await over(runs, run)).output).toBe("refused");
  });

  test("whoever is not named may not decide, and nothing changes", async () => {
    const runs = await processes.started();
    const run = await begin(runs, asking({ approvers: ["role:admin", "user:bob"] }));
    const approval = await asked(runs, run);
    await expect(decide(runs, approval, person("ann"), { decision: "approve" })).rejects.toMatchObject({
      code: "approval_not_yours",
      message: expect.stringContaining("role:admin, user:bob"),
    });
    expect(await listed(runs, run)).toMatchObject([{ decisions: [], mayDecide: false }]);
    await decide(runs, approval, person("bob"), { decision: "approve" });
    expect((await over(runs, run)).status).toBe("succeeded");
  });

  test("can be delegated by who may decide, and only by them", async () => {
    const runs = await processes.started();
    const run = await begin(runs, asking({ approvers: ["user:bob"] }));
    const { id } = await asked(runs, run);
    const delegate = (caller: Caller): Promise<Approval> =>
      callRoute(runs.routes, delegateApproval, { caller, params: { id }, body: { to: "user:ann" } });
    await expect(delegate(person("ann"))).rejects.toMatchObject({ code: "approval_not_yours" });
    const delegated = await delegate(person("bob"));
    expect(delegated.approvers).toEqual(["user:bob", "user:ann"]);
    await decide(runs, delegated, person("ann"), { decision: "approve" });
    expect((await over(runs, run)).output).toMatchObject({ decisions: [{ by: "user:ann" }] });
  });

  test("edited arguments begin the count anew and are what is approved", async () => {
    const runs = await processes.started();
    const run = await begin(runs, asking({ n: 2, arguments: { amount: 5 } }));
    const approval = await asked(runs, run);
    await decide(runs, approval, person("ann"), { decision: "approve" });
    const edited = await decide(runs, approval, person("bob"), { decision: "approve", arguments: { amount: 4 } });
    expect(edited).toMatchObject({ arguments: { amount: 4 }, decisions: [{ by: "user:bob" }] });
    await decide(runs, approval, person("ann"), { decision: "approve" });
    expect((await over(runs, run)).output).toMatchObject({ arguments: { amount: 4 }, decisions: [{ by: "user:bob" }, { by: "user:ann" }] });
  });

  test.each([
    ["reject", "failed", "expired"],
    ["continue", "succeeded", "expired"],
  ] as const)("when nobody decides in time: %s", async (onDeadline, status, listedAs) => {
    const runs = await processes.started();
    const run = await begin(runs, asking({ deadline: 60, onDeadline }));
    const ended = await over(runs, run);
    expect(ended.status).toBe(status);
    if (status === "failed") expect(ended.error).toMatchObject({ code: "approval_expired" });
    else expect(ended.output).toMatchObject({ approved: false, expired: true });
    const [approval] = await listed(runs, run);
    expect(approval?.status).toBe(listedAs);
    if (approval)
      await expect(decide(runs, approval, person("ann"), { decision: "approve" })).rejects.toMatchObject({ code: "approval_closed" });
  });

  test("when nobody decides in time: others are asked, without a deadline", async () => {
    const runs = await processes.started();
    const run = await begin(runs, asking({ deadline: 60, onDeadline: "escalate", escalateTo: ["role:admin"] }));
    let approval = await asked(runs, run);
    while (!approval.approvers.includes("role:admin")) approval = (await listed(runs, run))[0] ?? approval;
    expect(approval).toMatchObject({ status: "pending", approvers: ["role:admin"], deadline: null });
    await expect(decide(runs, approval, person("ann"), { decision: "approve" })).rejects.toMatchObject({ code: "approval_not_yours" });
    await decide(runs, approval, person("eve", "admin"), { decision: "approve" });
    expect((await over(runs, run)).output).toMatchObject({ approved: true });
  });

  test("of a run that is cancelled are closed, and a decision at that very moment has one winner", async () => {
    const runs = await processes.started();
    for (let i = 0; i < 12; i += 1) {
      const run = await begin(runs, asking({}));
      const approval = await asked(runs, run);
      const cancel = callRoute(runs.routes, cancelRun, { caller: ownerOf(db.tenantId), params: { id: run.id }, body: {} });
      await Promise.allSettled(
        i % 2 === 0
          ? [cancel, decide(runs, approval, person("ann"), { decision: "approve" })]
          : [decide(runs, approval, person("ann"), { decision: "approve" }), cancel],
      );
      const ended = await over(runs, run);
      const [closed] = await listed(runs, run);
      const events = await journalOf(runs, db.tenantId, run.id);
      const isApproved = events.some(({ kind, nodeId }) => kind === "step_succeeded" && nodeId === "ask");
      expect(closed?.status).toBe(isApproved ? "approved" : "cancelled");
      expect(ended.status === "succeeded" ? isApproved : ended.status === "cancelled").toBe(true);
      const finals = events.filter(({ kind }) => /^run_(succeeded|failed|cancelled)$/.test(kind));
      expect(finals).toHaveLength(1);
    }
  });

  test("a grant lets exactly the approved call through, once", async () => {
    const outside = new Outside();
    const runs = await processes.started(outside);
    const pay = tool("pay", { grant: "ask" }, { arguments: { amount: "=steps.ask.arguments.amount" } });
    const run = await begin(runs, asking({ arguments: { amount: 5 } }, pay));
    await decide(runs, await asked(runs, run), person("ann"), { decision: "approve", arguments: { amount: 4 } });
    expect((await over(runs, run)).status).toBe("succeeded");
    expect(outside.callsOf("pay")).toMatchObject([{ input: { arguments: { amount: 4 } } }]);
  });

  test.each([
    ["other arguments", { amount: 500 }, ["ask>pay", "pay>end"]],
    ["a second step", { amount: 5 }, ["ask>first", "first>pay", "pay>end"]],
  ] as const)("a grant does not cover %s", async (_name, args, edges) => {
    const outside = new Outside();
    const runs = await processes.started(outside);
    const ask: DefinitionInput["nodes"][number] = {
      id: "ask",
      type: "approval",
      data: { approvers: ["role:operator"], arguments: { amount: 5 } },
    };
    const nodes = [
      ask,
      tool("first", { grant: "ask" }, { arguments: { amount: 5 } }),
      tool("pay", { grant: "ask" }, { arguments: args }),
      endNode(),
    ].filter(({ id }) => edges.some((edge) => edge.split(">").includes(id)));
    const run = await begin(runs, definition(nodes, ["start>ask", ...edges]));
    await decide(runs, await asked(runs, run), person("ann"), { decision: "approve" });
    expect((await over(runs, run)).error).toMatchObject({ code: "grant_invalid", nodeId: "pay" });
    expect(outside.callsOf("pay")).toEqual([]);
  });
});
