import { z } from "zod";
import { Id, IdParams, Json, PageQuery, pageOf } from "./common.ts";
import { LIMITS } from "./limits.ts";
import { defineRoute } from "./route.ts";
import { Run } from "./runs.ts";
import * as triggers from "./triggers.ts";

const tag = "triggers";
export const listSchedules = defineRoute({
  name: "listSchedules",
  method: "GET",
  path: "/api/v1/schedules",
  summary: "List schedules, newest first",
  tag,
  permission: "trigger:read",
  query: PageQuery.extend({ workflowId: Id.optional() }),
  response: pageOf(triggers.Schedule),
  errors: ["cursor_invalid"],
});
export const createSchedule = defineRoute({
  name: "createSchedule",
  method: "POST",
  path: "/api/v1/schedules",
  summary: "Start a workflow by the clock",
  tag,
  permission: "trigger:write",
  body: triggers.CreateSchedule,
  response: triggers.Schedule,
  status: 201,
  errors: ["schedule_invalid", "not_found", "version_unknown", "body_too_large"],
});
export const previewSchedule = defineRoute({
  name: "previewSchedule",
  method: "POST",
  path: "/api/v1/schedules/preview",
  summary: "Check a cron and see when it fires, without saving anything",
  tag,
  permission: "trigger:read",
  body: triggers.PreviewSchedule,
  response: triggers.SchedulePreview,
  errors: ["schedule_invalid"],
});
export const getSchedule = defineRoute({
  name: "getSchedule",
  method: "GET",
  path: "/api/v1/schedules/:id",
  summary: "Read a schedule, with its next fire times",
  tag,
  permission: "trigger:read",
  params: IdParams,
  response: triggers.Schedule,
  errors: ["not_found"],
});
export const patchSchedule = defineRoute({
  name: "patchSchedule",
  method: "PATCH",
  path: "/api/v1/schedules/:id",
  summary: "Change, enable or disable a schedule",
  tag,
  permission: "trigger:write",
  params: IdParams,
  body: triggers.PatchSchedule,
  response: triggers.Schedule,
  errors: ["not_found", "schedule_invalid", "version_unknown", "body_too_large"],
});
export const deleteSchedule = defineRoute({
  name: "deleteSchedule",
  method: "DELETE",
  path: "/api/v1/schedules/:id",
  summary: "Delete a schedule and the record of its slots; its runs stay",
  tag,
  permission: "trigger:write",
  params: IdParams,
  response: z.undefined(),
  status: 204,
  errors: ["not_found"],
});
export const fireSchedule = defineRoute({
  name: "fireSchedule",
  method: "POST",
  path: "/api/v1/schedules/:id/run",
  summary: "Fire a schedule now, whatever its overlap policy says",
  tag,
  permission: "trigger:write",
  params: IdParams,
  response: Run,
  status: 202,
  errors: ["not_found", "version_unknown", "input_invalid"],
});
export const listSlots = defineRoute({
  name: "listSlots",
  method: "GET",
  path: "/api/v1/schedules/:id/slots",
  summary: "List the slots of a schedule that have come, newest first, with what became of each",
  tag,
  permission: "trigger:read",
  params: IdParams,
  query: PageQuery,
  response: pageOf(triggers.Slot),
  errors: ["not_found", "cursor_invalid"],
});

export const listWebhooks = defineRoute({
  name: "listWebhooks",
  method: "GET",
  path: "/api/v1/webhooks",
  summary: "List webhooks, newest first",
  tag,
  permission: "trigger:read",
  query: PageQuery.extend({ workflowId: Id.optional() }),
  response: pageOf(triggers.Webhook),
  errors: ["cursor_invalid"],
});
export const createWebhook = defineRoute({
  name: "createWebhook",
  method: "POST",
  path: "/api/v1/webhooks",
  summary: "Start a workflow by a request from outside; the secret is shown only now",
  tag,
  permission: "trigger:write",
  body: triggers.CreateWebhook,
  response: triggers.WebhookWithSecret,
  status: 201,
  errors: ["not_found", "version_unknown"],
});
export const getWebhook = defineRoute({
  name: "getWebhook",
  method: "GET",
  path: "/api/v1/webhooks/:id",
  summary: "Read a webhook",
  tag,
  permission: "trigger:read",
  params: IdParams,
  response: triggers.Webhook,
  errors: ["not_found"],
});
export const deleteWebhook = defineRoute({
  name: "deleteWebhook",
  method: "DELETE",
  path: "/api/v1/webhooks/:id",
  summary: "Delete a webhook; its runs stay",
  tag,
  permission: "trigger:write",
  params: IdParams,
  response: z.undefined(),
  status: 204,
  errors: ["not_found"],
});
export const rotateWebhook = defineRoute({
  name: "rotateWebhook",
  method: "POST",
  path: "/api/v1/webhooks/:id/rotate",
  summary: "Give a webhook a new secret; the old one stops working at once",
  tag,
  permission: "trigger:write",
  params: IdParams,
  body: triggers.RotateWebhook,
  response: triggers.WebhookWithSecret,
  errors: ["not_found"],
});
export const callHook = defineRoute({
  name: "callHook",
  method: "POST",
  path: "/hooks/:hook",
  summary: "Start a webhook's workflow with a signed request (a repeated delivery answers with the same run), or call a step that waits",
  tag,
  permission: "public",
  params: z.object({
    /** A webhook's id, or the address of a step that waits to be called. */
    hook: z
      .string()
      .max(700)
      .regex(/^[\x21-\x7e]+$/),
  }),
  query: z.object({}).catchall(z.string().max(1_024)),
  headers: z.object({}).catchall(z.unknown()),
  body: Json.optional(),
  rawBody: { maxBytes: LIMITS.webhookBytes },
  response: triggers.HookAnswer,
  status: 202,
  errors: ["not_found", "webhook_signature_invalid", "webhook_replayed", "input_invalid", "version_unknown", "run_transition_invalid"],
});

export const listRunListeners = defineRoute({
  name: "listRunListeners",
  method: "GET",
  path: "/api/v1/run-listeners",
  summary: "List what happens at the end of runs, newest first",
  tag,
  permission: "trigger:read",
  query: PageQuery.extend({ workflowId: Id.optional() }),
  response: pageOf(triggers.RunListener),
  errors: ["cursor_invalid"],
});
export const createRunListener = defineRoute({
  name: "createRunListener",
  method: "POST",
  path: "/api/v1/run-listeners",
  summary: "Start a workflow or call a URL whenever a run ends; a secret is shown only now",
  tag,
  permission: "trigger:write",
  body: triggers.CreateRunListener,
  response: triggers.RunListenerWithSecret,
  status: 201,
  errors: ["not_found", "version_unknown", "egress_denied", "conflict"],
});
export const getRunListener = defineRoute({
  name: "getRunListener",
  method: "GET",
  path: "/api/v1/run-listeners/:id",
  summary: "Read a run listener",
  tag,
  permission: "trigger:read",
  params: IdParams,
  response: triggers.RunListener,
  errors: ["not_found"],
});
export const deleteRunListener = defineRoute({
  name: "deleteRunListener",
  method: "DELETE",
  path: "/api/v1/run-listeners/:id",
  summary: "Delete a run listener, with what it has not delivered yet",
  tag,
  permission: "trigger:write",
  params: IdParams,
  response: z.undefined(),
  status: 204,
  errors: ["not_found"],
});
export const listListenerDeliveries = defineRoute({
  name: "listListenerDeliveries",
  method: "GET",
  path: "/api/v1/run-listeners/:id/deliveries",
  summary: "List what came of the runs that ended, newest first",
  tag,
  permission: "trigger:read",
  params: IdParams,
  query: PageQuery,
  response: pageOf(triggers.ListenerDelivery),
  errors: ["not_found", "cursor_invalid"],
});
