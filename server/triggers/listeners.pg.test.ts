import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import type { RouteSpec } from "#contract/route.ts";
import * as contract from "#contract/trigger-routes.ts";
import { Verification, type ListenerDelivery } from "#contract/triggers.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Runs } from "#server/runs/index.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { eventually } from "#test/support/eventually.ts";
import { triggersOf } from "#test/support/triggers.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import {
  createPlatform,
  createProcess,
  definition,
  endNode,
  isOver,
  Outside,
  runWhen,
  saveWorkflow,
  startOf,
  tool,
  type Platform,
} from "#test/support/runs.ts";
import type { Triggers, TriggersDeps } from "./index.ts";
import { prove } from "./signature.ts";

type Heard = { headers: IncomingHttpHeaders; body: string };

let db: TestDatabase;
let platform: Platform;
let outside: Outside;
let runs: Runs;
let echo: string;
let calling: string;
let receiver: Server;
let url: string;
let heard: Heard[];
let statuses: number[];
const started: Triggers[] = [];

beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
  echo = await saveWorkflow(platform, definition([endNode("=input")], ["start>end"], { name: "Echo" }));
  calling = await saveWorkflow(
    platform,
    definition([tool("call"), endNode("=steps.call")], ["start>call", "call>end"], { name: "Calling" }),
  );
  receiver = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      heard.push({ headers: request.headers, body });
      const status = statuses.shift() ?? 204;
      // 0 stands for no answer at all.
      if (status > 0) response.writeHead(status).end();
    });
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const address = receiver.address();
  url = `http://127.0.0.1:${typeof address === "object" ? (address?.port ?? 0) : 0}/ended`;
});
afterAll(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await db.close();
});
beforeEach(async () => {
  [heard, statuses] = [[], []];
  outside = new Outside();
  runs = createProcess(platform, outside);
  await runs.start();
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.stop()));
  await runs.stop();
  await db.ownerPool.query("delete from run_listeners");
  await db.ownerPool.query("delete from listener_deliveries");
});

const create = (more: Partial<TriggersDeps> = {}): Triggers => triggersOf(platform, runs, more);
/** A process that delivers. */
function tell(more: Partial<TriggersDeps> = {}): void {
  const triggers = create(more);
  started.push(triggers);
  triggers.start();
}
type Sent = { id?: string; body?: unknown; query?: unknown; tenantId?: string };
const call = <R extends RouteSpec>(route: R, { id, tenantId = db.tenantId, ...sent }: Sent = {}, more: Partial<TriggersDeps> = {}) =>
  callRoute(create(more).routes, route, { ...sent, caller: ownerOf(tenantId), params: { id } });
const add = (body: Record<string, Json>, more: Partial<TriggersDeps> = {}) =>
  call(contract.createRunListener, { body: { on: ["succeeded", "failed"], ...body } }, more);
const deliveriesOf = async (id: string): Promise<ListenerDelivery[]> =>
  (await call(contract.listListenerDeliveries, { id, query: { limit: 200 } })).items;
const settled = (id: string) =>
  eventually(
    () => deliveriesOf(id),
    (all) => all.length > 0 && all.every(({ outcome }) => outcome !== "due"),
  );
async function ended(workflowId: string, input: Json = {}) {
  const run = await startOf(runs, db.tenantId, workflowId)(input);
  return runWhen(runs, { id: run.id, tenantId: db.tenantId }, isOver);
}
const startedBy = async (id: string): Promise<string[]> => {
  const { rows } = await db.ownerPool.query<{ id: string }>("select id from runs where initiator = $1", [`listener:${id}`]);
  return rows.map((row) => row.id);
};

describe("the end of a run", () => {
  test("and its deliveries are one statement: they are there before anybody delivers", async () => {
    const wanted = await add({ workflowId: echo, action: { kind: "start_workflow", workflowId: calling } });
    const other = await add({ workflowId: calling, action: { kind: "start_workflow", workflowId: echo } });
    const failures = await add({ workflowId: echo, on: ["failed"], action: { kind: "start_workflow", workflowId: calling } });
    const run = await ended(echo);
    expect(await deliveriesOf(wanted.id)).toMatchObject([{ runId: run.id, status: "succeeded", outcome: "due", attempts: 0 }]);
    expect(await deliveriesOf(other.id)).toEqual([]);
    expect(await deliveriesOf(failures.id)).toEqual([]);
  });

  test("of a child run, or of an editor's, is not heard", async () => {
    const { id } = await add({ workflowId: null, action: { kind: "start_workflow", workflowId: calling } });
    const parent = await saveWorkflow(
      platform,
      definition([{ id: "child", type: "subworkflow", data: { workflow: echo } }, endNode()], ["start>child", "child>end"], {
        name: "Parent",
      }),
    );
    const { tenantId } = db;
    const tried = await runs.startRun({ tenantId, initiator: "user:owner", workflowId: echo, input: {}, mode: "editor" });
    await runWhen(runs, { id: tried.id, tenantId }, isOver);
    const run = await ended(parent);
    expect(run).toMatchObject({ status: "succeeded" });
    expect((await deliveriesOf(id)).map(({ runId }) => runId)).toEqual([run.id]);
  });

  test("is not heard by another tenant's listeners", async () => {
    const tenantId = await db.secondTenant();
    const theirs = await saveWorkflow(platform, definition([endNode()], ["start>end"], { name: "Theirs" }), tenantId);
    const listener = await call(contract.createRunListener, {
      tenantId,
      body: { workflowId: null, on: ["succeeded"], action: { kind: "start_workflow", workflowId: theirs } },
    });
    await ended(echo);
    const { rows } = await db.ownerPool.query("select from listener_deliveries where listener_id = $1", [listener.id]);
    expect(rows).toEqual([]);
    for (const route of [contract.getRunListener, contract.deleteRunListener, contract.listListenerDeliveries]) {
      await expect(call(route, { id: listener.id })).rejects.toMatchObject({ code: "not_found" });
    }
    expect((await call(contract.listRunListeners)).items).toEqual([]);
  });
});

describe("starting a workflow", () => {
  test("on failure gives it the run's error", async () => {
    outside.answer = () => Promise.reject(new AppError("tool_failed", "The ledger is closed."));
    const { id } = await add({ workflowId: calling, on: ["failed"], action: { kind: "start_workflow", workflowId: echo } });
    tell();
    const failed = await ended(calling);
    const [delivery] = await settled(id);
    expect(delivery).toMatchObject({ outcome: "done", status: "failed", runId: failed.id });
    const run = await runWhen(runs, { id: delivery?.startedRunId ?? "", tenantId: db.tenantId }, isOver);
    expect(run).toMatchObject({
      status: "succeeded",
      tags: ["listener-depth:1"],
      output: {
        run: { id: failed.id, workflowId: calling, status: "failed", output: null, error: { code: "tool_failed" }, confidential: false },
      },
    });
  });

  test("happens once, however many processes deliver and however often one dies after the start", async () => {
    const { id } = await add({ workflowId: calling, action: { kind: "start_workflow", workflowId: echo } });
    let broken = 0;
    const dying: TriggersDeps["runs"] = {
      ...runs,
      startRun: async (request) => {
        const run = await runs.startRun(request);
        broken += 1;
        if (broken <= 3) throw new AppError("database_unavailable", "The connection broke after the COMMIT.", { retryable: true });
        return run;
      },
    };
    for (let i = 0; i < 3; i += 1) tell({ runs: dying });
    for (let i = 0; i < 10; i += 1) await ended(calling);
    const deliveries = await eventually(
      () => deliveriesOf(id),
      (all) => all.length === 10 && all.every(({ outcome }) => outcome === "done"),
    );
    expect(new Set(deliveries.map(({ startedRunId }) => startedRunId))).toEqual(new Set(await startedBy(id)));
    expect(await startedBy(id)).toHaveLength(10);
  });

  test("that starts itself ends after so many runs", async () => {
    const { id } = await add({ workflowId: null, on: ["succeeded"], action: { kind: "start_workflow", workflowId: echo } });
    tell();
    await ended(echo);
    const deliveries = await eventually(
      () => deliveriesOf(id),
      (all) => all.some(({ outcome }) => outcome === "failed"),
    );
    expect(deliveries.filter(({ outcome }) => outcome === "done")).toHaveLength(LIMITS.listenerDepth);
    expect(deliveries[0]).toMatchObject({ outcome: "failed", attempts: 1, reason: expect.stringContaining("loop") });
    const { rows } = await db.ownerPool.query("select reason from audit_log where action = 'run_listener.gave_up' and target = $1", [
      `run_listener:${id}`,
    ]);
    expect(rows).toEqual([{ reason: "conflict" }]);
  });

  test("never carries the values of a confidential run along", async () => {
    const secret = await saveWorkflow(
      platform,
      definition([endNode("=input")], ["start>end"], { name: "Secret", classification: "confidential" }),
    );
    const { id } = await add({ workflowId: secret, action: { kind: "start_workflow", workflowId: echo } });
    tell();
    await ended(secret, "between us");
    const [delivery] = await settled(id);
    const run = await runs.getRun(db.tenantId, delivery?.startedRunId ?? "");
    expect(run.input).toMatchObject({ run: { confidential: true, output: null, error: null } });
  });

  test("of a workflow that is gone is given up at once, visibly", async () => {
    const gone = await saveWorkflow(platform, definition([endNode()], ["start>end"], { name: "Gone" }));
    const { id } = await add({ workflowId: echo, action: { kind: "start_workflow", workflowId: gone } });
    await db.ownerPool.query("update workflows set deleted_at = now() where id = $1", [gone]);
    tell();
    await ended(echo);
    expect(await settled(id)).toMatchObject([
      { outcome: "failed", attempts: 1, startedRunId: null, reason: expect.stringContaining("not_found") },
    ]);
  });
});

describe("calling a URL", () => {
  const webhook = () => ({ kind: "webhook" as const, url });

  test("sends the run, signed as webhooks of this platform expect it", async () => {
    const { id, secret, action } = await add({ workflowId: echo, action: webhook() });
    expect(action).toEqual({ kind: "webhook", url });
    tell();
    const run = await ended(echo, { n: 1 });
    expect(await settled(id)).toMatchObject([{ outcome: "done", attempts: 1, startedRunId: null }]);
    const [{ headers, body }] = [heard[0] ?? { headers: {}, body: "" }];
    expect(JSON.parse(body)).toMatchObject({
      event: "run.succeeded",
      run: { id: run.id, workflowName: run.workflowName, output: { n: 1 } },
    });
    expect(headers).toMatchObject({ "content-type": "application/json", "x-auterity-delivery": `${id}.${run.id}` });
    const received = { headers, body: Buffer.from(body), nowMs: Date.now() };
    expect(prove(Verification.parse({ kind: "hmac" }), secret ?? "", received).signature).toHaveLength(32);
  });

  test("is tried again until it is answered, under the same delivery id", async () => {
    statuses = [500, 503];
    const { id } = await add({ workflowId: echo, action: webhook() });
    tell();
    await ended(echo);
    expect(await settled(id)).toMatchObject([{ outcome: "done", attempts: 3 }]);
    expect(new Set(heard.map(({ headers }) => headers["x-auterity-delivery"])).size).toBe(1);
  });

  test("is given up after so many attempts, with the reason kept", async () => {
    statuses = Array.from({ length: 100 }, () => 500);
    const { id } = await add({ workflowId: echo, action: webhook() });
    tell();
    await ended(echo);
    expect(await settled(id)).toMatchObject([
      { outcome: "failed", attempts: LIMITS.listenerAttempts, reason: expect.stringContaining("500") },
    ]);
    expect(heard).toHaveLength(LIMITS.listenerAttempts);
  });

  test("goes only where an owner has allowed it", async () => {
    const { id } = await add(
      { workflowId: echo, action: { kind: "webhook", url: url.replace("127.0.0.1", "127.0.0.2") } },
      { ownerApproves: false },
    );
    tell();
    await ended(echo);
    expect(await settled(id)).toMatchObject([{ outcome: "failed", reason: expect.stringContaining("egress_denied") }]);
    await expect(add({ workflowId: echo, action: { kind: "webhook", url: "http://169.254.169.254/latest" } })).rejects.toMatchObject({
      code: "egress_denied",
    });
  });

  test("leaves an output out that is too large to be sent", async () => {
    const { id } = await add({ workflowId: echo, action: webhook() });
    tell();
    await ended(echo, "x".repeat(LIMITS.listenerBytes));
    await settled(id);
    expect(JSON.parse(heard[0]?.body ?? "")).toMatchObject({ run: { output: null, omitted: true } });
  });

  test("is broken off by a stop, and made again by the next process", async () => {
    statuses = [0];
    const { id } = await add({ workflowId: echo, action: webhook() });
    const stopped = create({ settings: { answerMs: 60_000 } });
    stopped.start();
    await ended(echo);
    await eventually(
      async () => heard.length,
      (calls) => calls === 1,
    );
    const began = performance.now();
    await stopped.stop();
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(await deliveriesOf(id)).toMatchObject([{ outcome: "due", attempts: 1 }]);
    tell();
    expect(await settled(id)).toMatchObject([{ outcome: "done", attempts: 2 }]);
  });

  test("follows no redirect", async () => {
    statuses = Array.from({ length: 100 }, () => 302);
    const { id } = await add({ workflowId: echo, action: webhook() });
    tell();
    await ended(echo);
    expect(await settled(id)).toMatchObject([{ outcome: "failed" }]);
  });
});

describe("a run listener", () => {
  test("is listed without its secret, and deleted with what it had not delivered", async () => {
    const { secret, ...shown } = await add({ workflowId: echo, action: { kind: "webhook", url } });
    expect(secret).toMatch(/^awh_/);
    expect(await call(contract.getRunListener, { id: shown.id })).toEqual(shown);
    expect((await call(contract.listRunListeners)).items).toEqual([shown]);
    await ended(echo);
    await call(contract.deleteRunListener, { id: shown.id });
    const { rows } = await db.ownerPool.query("select from listener_deliveries");
    expect(rows).toEqual([]);
    await expect(call(contract.deleteRunListener, { id: shown.id })).rejects.toMatchObject({ code: "not_found" });
  });

  test("is refused beyond so many", async () => {
    const action = { kind: "start_workflow", workflowId: echo };
    const made = await Promise.allSettled(Array.from({ length: LIMITS.runListeners + 2 }, () => add({ workflowId: calling, action })));
    const refused = made.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    expect(refused).toMatchObject([{ code: "conflict" }, { code: "conflict" }]);
  });

  test("is refused for workflows that are not there", async () => {
    const workflowId = "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234";
    await expect(add({ workflowId, action: { kind: "webhook", url } })).rejects.toMatchObject({ code: "not_found" });
    await expect(add({ workflowId: echo, action: { kind: "start_workflow", workflowId } })).rejects.toMatchObject({ code: "not_found" });
    await expect(add({ workflowId: echo, action: { kind: "start_workflow", workflowId: echo, version: 9 } })).rejects.toMatchObject({
      code: "version_unknown",
    });
  });
});
