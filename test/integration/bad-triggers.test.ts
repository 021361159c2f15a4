import type pg from "pg";
import { afterAll, beforeAll, describe } from "vitest";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { HookAnswer } from "#contract/triggers.ts";
import { newId } from "#server/kernel/ids.ts";
import { signedHeaders } from "#server/triggers/signature.ts";
import { badInputs, type BadInput, type Code } from "#test/support/bad-inputs.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

const SECRET = "the-secret-of-this-webhook";

let platform: StartedPlatform;
let superuser: pg.Client;
let known: Record<string, string>;

beforeAll(async () => {
  platform = await startedPlatform();
  superuser = await platform.sql();
  const { client } = platform;
  const definition = {
    version: 2,
    name: "Good",
    nodes: [
      { id: "start", type: "start" },
      { id: "end", type: "end" },
    ],
    edges: [{ id: "e", source: "start", target: "end" }],
  };
  const workflow = await client.createWorkflow({ body: { name: "Good", definition } });
  const strict = await client.createWorkflow({
    body: { name: "Strict", definition: { ...definition, input: { type: "object", required: ["age"] } } },
  });
  const schedule = await client.createSchedule({ body: { workflowId: workflow.id, cron: "0 0 1 1 *" } });
  const strictSchedule = await client.createSchedule({ body: { workflowId: strict.id, cron: "0 0 1 1 *" } });
  const webhook = await client.createWebhook({ body: { workflowId: workflow.id, verification: { kind: "hmac" }, secret: SECRET } });
  const strictHook = await client.createWebhook({ body: { workflowId: strict.id, verification: { kind: "token" }, secret: SECRET } });
  known = {
    workflow: workflow.id,
    schedule: schedule.id,
    strictSchedule: strictSchedule.id,
    webhook: webhook.id,
    strictHook: strictHook.id,
    absent: newId(),
  };
  for (const delivery of ["known", "other"]) {
    const body = JSON.stringify({ delivery });
    const headers = { "content-type": "application/json", ...signed(body, { delivery }) };
    const answer = await fetch(`${platform.url}${webhook.path}`, { method: "POST", headers, body });
    await client.waitForRun(HookAnswer.parse(await answer.json()).runId);
  }
});
afterAll(() => platform.close());

const { refuses } = badInputs(() => ({ platform, superuser, known }));

type Signing = { delivery?: string; secret?: string; ageSeconds?: number };
const signed = (body: string, { delivery = "new", secret = SECRET, ageSeconds = 0 }: Signing = {}) =>
  signedHeaders(body, { secret, delivery, timestamp: Math.floor(Date.now() / 1_000) - ageSeconds });

describe("schedules", () => {
  const schedule = (over: Record<string, Json>, code: Code = "schedule_invalid", issues?: readonly object[]): BadInput => ({
    path: "/api/v1/schedules",
    json: { workflowId: "{workflow}", cron: "0 9 * * *", ...over },
    code,
    ...(issues && { issues }),
  });
  refuses({
    "a cron in words": schedule({ cron: "every morning" }, "schedule_invalid", [{ path: "cron" }]),
    "a cron of four fields": schedule({ cron: "* * * *" }),
    "a minute that no hour has": schedule({ cron: "61 * * * *" }),
    "a day that no year has": schedule({ cron: "0 0 31 2 *" }),
    "a date instead of a cron": schedule({ cron: "2030-01-01T00:00:00" }),
    "a cron that is too long": schedule({ cron: "*".repeat(LIMITS.cronChars + 1) }, "request_invalid"),
    "a time zone that is none": schedule({ timeZone: "Mars/Olympus" }, "schedule_invalid", [{ path: "timeZone" }]),
    "an offset for a time zone": schedule({ timeZone: "+02:00" }),
    "an overlap policy that is none": schedule({ overlap: "hope" }, "request_invalid"),
    "a window that is too long": schedule({ catchUpMinutes: LIMITS.catchUpMinutes + 1 }, "request_invalid"),
    "more slots to catch up than are allowed": schedule({ catchUpSlots: LIMITS.catchUpSlots + 1 }, "request_invalid"),
    "an input that is too large": schedule({ input: "x".repeat(LIMITS.scheduleInputBytes) }, "body_too_large"),
    "a workflow that is not there": schedule({ workflowId: "{absent}" }, "not_found"),
    "a version that is not there": schedule({ version: 7 }, "version_unknown"),
    "a change to a cron that cannot be read": {
      path: "/api/v1/schedules/{schedule}",
      method: "PATCH",
      json: { cron: "never" },
      code: "schedule_invalid",
    },
    "a change to another workflow": {
      path: "/api/v1/schedules/{schedule}",
      method: "PATCH",
      json: { workflowId: "{workflow}" },
      code: "request_invalid",
    },
    "a preview of a cron that cannot be read": { path: "/api/v1/schedules/preview", json: { cron: "never" }, code: "schedule_invalid" },
    "a firing by hand with an input that does not fit": {
      path: "/api/v1/schedules/{strictSchedule}/run",
      method: "POST",
      code: "input_invalid",
    },
    "a schedule that is not there": { path: "/api/v1/schedules/{absent}", code: "not_found" },
    "slots after a cursor that is none": { path: "/api/v1/schedules/{schedule}/slots?cursor=x", code: "cursor_invalid" },
  });
});

describe("webhooks", () => {
  const post = (body: string, headers: Record<string, string>, code: Code): BadInput => ({
    path: "/hooks/{webhook}",
    body,
    code,
    headers: { authorization: "", "content-type": "application/json", ...headers },
  });
  refuses({
    "a call without a signature": post("{}", {}, "webhook_signature_invalid"),
    "a call signed with another secret": post("{}", signed("{}", { secret: "another-secret-of-somebody" }), "webhook_signature_invalid"),
    "a call whose body was changed": post('{"amount":1000}', signed('{"amount":1}'), "webhook_signature_invalid"),
    "a call that was signed long ago": post("{}", signed("{}", { ageSeconds: 301 }), "webhook_replayed"),
    "a call from the future": post("{}", signed("{}", { ageSeconds: -400 }), "webhook_replayed"),
    "a known delivery with another body": post("{}", signed("{}", { delivery: "known" }), "webhook_replayed"),
    "a signed body that is no JSON": post("{", signed("{"), "body_malformed"),
    "a signed form": post("a=1", { ...signed("a=1"), "content-type": "application/x-www-form-urlencoded" }, "content_type_unsupported"),
    "a body that is too large": post(JSON.stringify("x".repeat(LIMITS.webhookBytes)), {}, "body_too_large"),
    "an owner's token instead of a signature": { path: "/hooks/{webhook}", json: {}, code: "webhook_signature_invalid" },
    "an input that does not fit": { path: "/hooks/{strictHook}", json: {}, headers: { "x-auterity-token": SECRET }, code: "input_invalid" },
    "a webhook that is not there": { path: "/hooks/{absent}", json: {}, code: "not_found" },
    "an address that is none": { path: "/hooks/a%20b", json: {}, code: "not_found" },
    "a webhook for a workflow that is not there": {
      path: "/api/v1/webhooks",
      json: { workflowId: "{absent}", verification: { kind: "hmac" } },
      code: "not_found",
    },
    "a webhook that asks for a credential": {
      path: "/api/v1/webhooks",
      json: { workflowId: "{workflow}", verification: { kind: "token" }, headers: ["cookie"] },
      code: "request_invalid",
    },
    "a webhook whose secret is short": {
      path: "/api/v1/webhooks",
      json: { workflowId: "{workflow}", verification: { kind: "hmac" }, secret: "hunter2" },
      code: "request_invalid",
    },
  });
});

describe("run listeners", () => {
  const listener = (over: Record<string, Json>, code: Code = "request_invalid"): BadInput => ({
    path: "/api/v1/run-listeners",
    json: { workflowId: "{workflow}", on: ["failed"], action: { kind: "start_workflow", workflowId: "{workflow}" }, ...over },
    code,
  });
  refuses({
    "to nothing": listener({ on: [] }),
    "to the same twice": listener({ on: ["failed", "failed"] }),
    "to a status that is no end": listener({ on: ["running"] }),
    "of a workflow that is not there": listener({ workflowId: "{absent}" }, "not_found"),
    "that start a workflow that is not there": listener({ action: { kind: "start_workflow", workflowId: "{absent}" } }, "not_found"),
    "that call a metadata service": listener({ action: { kind: "webhook", url: "http://169.254.169.254/" } }, "egress_denied"),
    "that call a file": listener({ action: { kind: "webhook", url: "file:///etc/passwd" } }),
  });
});
