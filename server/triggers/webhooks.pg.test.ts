import { createHmac } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import type { RouteSpec } from "#contract/route.ts";
import * as contract from "#contract/trigger-routes.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Runs } from "#server/runs/index.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testHttp, type TestHttp } from "#test/support/http-server.ts";
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
  type Platform,
} from "#test/support/runs.ts";
import type { Triggers, TriggersDeps } from "./index.ts";
import { signedHeaders } from "./signature.ts";

let db: TestDatabase;
let platform: Platform;
let runs: Runs;
let workflowId: string;
let triggers: Triggers;
let http: TestHttp;

beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
  workflowId = await saveWorkflow(platform, definition([endNode("=input")], ["start>end"], { name: "Echo" }));
});
afterAll(() => db.close());
beforeEach(async () => {
  runs = createProcess(platform, new Outside());
  await runs.start();
  triggers = create();
  http = await serve(triggers);
});
afterEach(async () => {
  await http.close();
  await runs.stop();
});

const create = (more: Partial<TriggersDeps> = {}): Triggers => triggersOf(platform, runs, more);
/** The hooks behind the real HTTP server, as their raw bodies come from there. */
function serve({ routes }: Triggers): Promise<TestHttp> {
  const handled = routes.find(({ route }) => route === contract.callHook);
  if (!handled) throw new Error("The hook has no handler.");
  return testHttp({ handlers: { callHook: (request) => handled.run(request) } });
}

type Sent = { id?: string; body?: unknown; query?: unknown; tenantId?: string };
const call = <R extends RouteSpec>(route: R, { id, tenantId = db.tenantId, ...sent }: Sent = {}) =>
  callRoute(triggers.routes, route, { ...sent, caller: ownerOf(tenantId), params: { id } });
const add = (verification: Json, more: Record<string, Json> = {}) =>
  call(contract.createWebhook, { body: { workflowId, verification, ...more } });

type Request = { headers?: Record<string, string>; body?: string; query?: string };
async function post(path: string, { headers = {}, body = "", query = "" }: Request = {}) {
  const contentType = body === "" ? {} : { "content-type": "application/json" };
  const answer = await http.inject({ method: "POST", url: `${path}${query}`, headers: { ...contentType, ...headers }, payload: body });
  const parsed: { runId: string; repeated: boolean; code: string; detail: string } = JSON.parse(answer.body);
  return { status: answer.statusCode, ...parsed };
}
type Signing = { body?: string; delivery?: string; ageSeconds?: number };
function signed(secret: string, { body = "{}", delivery = "d1", ageSeconds = 0 }: Signing = {}): Request {
  return { body, headers: signedHeaders(body, { secret, timestamp: Math.floor(Date.now() / 1_000) - ageSeconds, delivery }) };
}
const runCount = async (id: string): Promise<number> => {
  const { rows } = await db.ownerPool.query<{ count: number }>("select count(*)::int as count from runs where initiator = $1", [
    `webhook:${id}`,
  ]);
  return rows[0]?.count ?? 0;
};
const deliveryCount = async (id: string): Promise<number> => {
  const { rows } = await db.ownerPool.query<{ count: number }>(
    "select count(*)::int as count from webhook_deliveries where webhook_id = $1",
    [id],
  );
  return rows[0]?.count ?? 0;
};

describe("a webhook", () => {
  test("shows its secret once, and keeps it sealed", async () => {
    const made = await add({ kind: "hmac" });
    expect(made).toMatchObject({ path: `/hooks/${made.id}`, secret: expect.stringMatching(/^awh_[\w-]{43}$/), rotatedAt: null });
    const { secret, ...shown } = made;
    expect(await call(contract.getWebhook, { id: made.id })).toEqual(shown);
    expect((await call(contract.listWebhooks)).items[0]).toEqual(shown);
    const { rows } = await db.ownerPool.query<{ secret: Buffer }>("select secret from webhooks where id = $1", [made.id]);
    expect(rows[0]?.secret.toString("latin1")).not.toContain(secret);
    expect(platform.redactor.text(`see ${secret}`)).toBe("see [redacted]");
  });

  test("with another secret no longer takes the old one", async () => {
    const { id, path, secret } = await add({ kind: "hmac" });
    const rotated = await call(contract.rotateWebhook, { id, body: {} });
    expect(rotated.secret).not.toBe(secret);
    expect(await post(path, signed(secret))).toMatchObject({ status: 401, code: "webhook_signature_invalid" });
    expect(await post(path, signed(rotated.secret))).toMatchObject({ status: 202 });
    expect((await call(contract.rotateWebhook, { id, body: { secret: "chosen-by-the-sender" } })).secret).toBe("chosen-by-the-sender");
    const { rows } = await db.ownerPool.query("select action from audit_log where target = $1 and outcome = 'allow' order by seq", [
      `webhook:${id}`,
    ]);
    expect(rows.map(({ action }) => action)).toEqual(["webhook.created", "webhook.rotated", "webhook.rotated"]);
  });

  test("that was deleted, or never made, is not there", async () => {
    const { id, path, secret } = await add({ kind: "hmac" });
    await call(contract.deleteWebhook, { id });
    for (const gone of [path, "/hooks/0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234", "/hooks/run.token.node"]) {
      expect(await post(gone, signed(secret))).toMatchObject({ status: 404, code: "not_found" });
    }
  });

  test("of another tenant is not there to be managed", async () => {
    const { id } = await add({ kind: "token" });
    const tenantId = await db.secondTenant();
    for (const route of [contract.getWebhook, contract.deleteWebhook, contract.rotateWebhook]) {
      await expect(call(route, { id, tenantId })).rejects.toMatchObject({ code: "not_found" });
    }
    expect((await call(contract.listWebhooks, { tenantId })).items).toEqual([]);
  });

  test("is refused for a workflow that is not there", async () => {
    await expect(
      call(contract.createWebhook, { body: { workflowId: "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234", verification: { kind: "token" } } }),
    ).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

describe("a call", () => {
  test("starts a run with body, chosen headers and query, on behalf of the webhook", async () => {
    const { id, path, secret } = await add({ kind: "hmac" }, { headers: ["x-event", "x-absent"] });
    const { headers, body } = signed(secret, { body: '{"n": [1, "é"]}' });
    const { runId, status } = await post(path, { body, headers: { ...headers, "x-event": "push", "x-other": "no" }, query: "?from=shop" });
    expect(status).toBe(202);
    const run = await runWhen(runs, { id: runId, tenantId: db.tenantId }, isOver);
    expect(run.output).toEqual({ body: { n: [1, "é"] }, headers: { "x-event": "push" }, query: { from: "shop" } });
    const { rows } = await db.ownerPool.query("select initiator from runs where id = $1", [runId]);
    expect(rows).toEqual([{ initiator: `webhook:${id}` }]);
  });

  test("as GitHub makes it", async () => {
    const verification = {
      kind: "hmac",
      header: "x-hub-signature-256",
      prefix: "sha256=",
      timestampHeader: null,
      deliveryHeader: "x-github-delivery",
    };
    const { path, secret } = await add(verification, { headers: ["x-github-event"] });
    const body = '{"zen":"Keep it logically awesome."}';
    const signature = createHmac("sha256", secret).update(body).digest("hex");
    const headers = { "x-hub-signature-256": `sha256=${signature}`, "x-github-event": "ping", "x-github-delivery": "72d3162e-cc78" };
    const first = await post(path, { body, headers });
    expect(first).toMatchObject({ status: 202, repeated: false });
    expect(await post(path, { body, headers })).toMatchObject({ status: 202, runId: first.runId, repeated: true });
    expect(await post(path, { body, headers: { ...headers, "x-github-delivery": "another" } })).toMatchObject({
      status: 409,
      code: "webhook_replayed",
    });
  });

  test("with a token, and without a body", async () => {
    const { path, secret } = await add({ kind: "token" });
    const first = await post(path, { headers: { "x-auterity-token": secret } });
    const second = await post(path, { headers: { "x-auterity-token": secret } });
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.runId).not.toBe(first.runId);
    expect(await runWhen(runs, { id: first.runId, tenantId: db.tenantId }, isOver)).toMatchObject({
      output: { body: null, headers: {}, query: {} },
    });
  });

  test("with a wrong signature changes nothing but the audit trail, where it is told once a minute", async () => {
    const { id, path, secret } = await add({ kind: "hmac" });
    for (let i = 0; i < 3; i += 1) {
      expect(await post(path, signed(`${secret}x`))).toMatchObject({ status: 401, code: "webhook_signature_invalid" });
    }
    expect([await runCount(id), await deliveryCount(id)]).toEqual([0, 0]);
    const { rows } = await db.ownerPool.query("select outcome, reason from audit_log where target = $1 and action = 'webhook.refused'", [
      `webhook:${id}`,
    ]);
    expect(rows).toEqual([{ outcome: "deny", reason: "webhook_signature_invalid" }]);
  });

  test("with an input that does not fit leaves nothing, and may be made again", async () => {
    const strict = await saveWorkflow(
      platform,
      definition([endNode()], ["start>end"], {
        name: "Strict",
        input: { type: "object", properties: { body: { type: "object", required: ["n"] } } },
      }),
    );
    const { id, path, secret } = await call(contract.createWebhook, { body: { workflowId: strict, verification: { kind: "hmac" } } });
    expect(await post(path, signed(secret))).toMatchObject({ status: 422, code: "input_invalid" });
    expect(await deliveryCount(id)).toBe(0);
    expect(await post(path, signed(secret, { body: '{"n":1}' }))).toMatchObject({ status: 202, repeated: false });
  });

  test.each([
    ["a body that is no JSON", { body: "{" }, 400, "body_malformed"],
    ["a form", { body: "a=1", headers: { "content-type": "application/x-www-form-urlencoded" } }, 415, "content_type_unsupported"],
    ["a body beyond the limit", { body: JSON.stringify("x".repeat(LIMITS.webhookBytes)) }, 413, "body_too_large"],
    ["a query parameter twice", { query: "?a=1&a=2" }, 422, "request_invalid"],
  ])("with %s is refused", async (_, request, status, code) => {
    const { path, secret } = await add({ kind: "token" });
    expect(
      await post(path, { ...request, headers: { "x-auterity-token": secret, ...("headers" in request ? request.headers : {}) } }),
    ).toMatchObject({ status, code });
  });

  test("beyond so many a minute is asked to wait", async () => {
    const { path, secret } = await add({ kind: "token" });
    const withoutStarts = create({ runs: { ...runs, startRun: async () => runs.getRun(db.tenantId, first) } });
    const { runId: first } = await post(path, { headers: { "x-auterity-token": secret } });
    await http.close();
    http = await serve(withoutStarts);
    const statuses = new Map<number, number>();
    for (let i = 0; i <= LIMITS.webhookCallsPerMinute; i += 1) {
      const { status } = await post(path, { headers: { "x-auterity-token": secret } });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    expect(Object.fromEntries(statuses)).toEqual({ 202: LIMITS.webhookCallsPerMinute, 429: 1 });
  });

  test("to a step that waits reaches it, with the body", async () => {
    const { runId } = await post(...(await tokenCall()));
    const seen: unknown[] = [];
    const withSteps = create({
      stepHooks: {
        read: (id) => (id === "run.token.paid~/each[3]" ? { runId, nodeId: "paid", scope: "/each[3]" } : undefined),
        call: async (call) => void seen.push(call),
      },
    });
    await http.close();
    http = await serve(withSteps);
    expect(await post("/hooks/run.token.paid~%2Feach%5B3%5D", { body: "[1]" })).toMatchObject({ status: 202, runId });
    expect(seen).toEqual([{ tenantId: db.tenantId, runId, nodeId: "paid", scope: "/each[3]", payload: [1] }]);
    expect(await post("/hooks/run.token.other", { body: "[1]" })).toMatchObject({ status: 404 });
  });
});

async function tokenCall(): Promise<[string, Request]> {
  const { path, secret } = await add({ kind: "token" });
  return [path, { headers: { "x-auterity-token": secret } }];
}

describe("a delivery that comes again", () => {
  test("answers with the same run, also signed anew, and also many at once", async () => {
    const { id, path, secret } = await add({ kind: "hmac" });
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(path, signed(secret))));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(202));
    expect(new Set(answers.map(({ runId }) => runId)).size).toBe(1);
    expect(await post(path, signed(secret, { ageSeconds: 5 }))).toMatchObject({ runId: answers[0]?.runId, repeated: true });
    expect(await runCount(id)).toBe(1);
  });

  test("with another body is refused", async () => {
    const { id, path, secret } = await add({ kind: "hmac" });
    await post(path, signed(secret));
    expect(await post(path, signed(secret, { body: '{"more":1}' }))).toMatchObject({ status: 409, code: "webhook_replayed" });
    expect([await runCount(id), await deliveryCount(id)]).toEqual([1, 1]);
  });

  test("under another name is refused, the original and what its sender had signed anew", async () => {
    const { id, path, secret } = await add({ kind: "hmac" });
    const [original, anew] = [signed(secret, { ageSeconds: 2 }), signed(secret, { ageSeconds: 1 })];
    await post(path, original);
    await post(path, anew);
    for (const { body, headers } of [original, anew]) {
      const stolen = { body: body ?? "", headers: { ...headers, "x-auterity-delivery": "mine" } };
      expect(await post(path, stolen)).toMatchObject({ status: 409, code: "webhook_replayed" });
      const { "x-auterity-delivery": _, ...unnamed } = stolen.headers;
      const answer = await post(path, { ...stolen, headers: unnamed });
      expect(answer.status === 409 || answer.repeated).toBe(true);
    }
    expect(await runCount(id)).toBe(1);
  });

  test("too late is refused, whether it is known or not", async () => {
    const { id, path, secret } = await add({ kind: "hmac", toleranceSeconds: 60 });
    expect(await post(path, signed(secret, { ageSeconds: 61 }))).toMatchObject({
      status: 409,
      code: "webhook_replayed",
      detail: expect.stringContaining("at most 60 s"),
    });
    expect([await runCount(id), await deliveryCount(id)]).toEqual([0, 0]);
  });

  test("to another process, after the first died before it could answer, finds the same run", async () => {
    const { id, path, secret } = await add({ kind: "hmac" }, { headers: ["x-trace"] });
    const dying = create({
      runs: {
        ...runs,
        startRun: async (request) => {
          await runs.startRun(request);
          throw new AppError("database_unavailable", "The connection broke after the COMMIT.", { retryable: true });
        },
      },
    });
    const before = http;
    http = await serve(dying);
    const { body = "", headers } = signed(secret);
    expect(await post(path, { body, headers: { ...headers, "x-trace": "1" } })).toMatchObject({ status: 503 });
    await http.close();
    http = before;
    const again = await post(path, { body, headers: { ...headers, "x-trace": "2" } });
    expect(again).toMatchObject({ status: 202 });
    expect(await runCount(id)).toBe(1);
    const run = await runWhen(runs, { id: again.runId, tenantId: db.tenantId }, isOver);
    expect(run.output).toMatchObject({ headers: { "x-trace": "1" } });
  });
});
