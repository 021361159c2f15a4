import { z } from "zod";
import { Id, Json, Time } from "./common.ts";
import { LIMITS } from "./limits.ts";
import { FINAL_STATUSES } from "./runs.ts";

const Version = z.number().int().min(1).max(2_147_483_647);
/** What a trigger starts: the newest version unless one is named. */
const Target = z.object({ workflowId: Id, version: Version.nullable() });
const NewTarget = z.strictObject({ workflowId: Id, version: Version.optional() });

/** What to do with a slot while a run of an earlier one goes on. */
export const Overlap = z.enum(["skip", "queue", "cancel_previous", "allow"]);
/** What to do with slots that passed while nothing could fire them: nothing, the last one, or all within the bounds. */
export const CatchUp = z.enum(["none", "one", "all"]);

const Timing = z.strictObject({
  /** Five fields, or six with seconds in front. */
  cron: z.string().min(1).max(LIMITS.cronChars),
  /** A name of the IANA time zone database. */
  timeZone: z.string().min(1).max(64).default("UTC"),
});
export const PreviewSchedule = Timing;
/** The next fire times, at most five. */
export const SchedulePreview = z.object({ next: z.array(Time) });

export const CreateSchedule = NewTarget.extend({
  ...Timing.shape,
  input: Json.default({}),
  overlap: Overlap.default("skip"),
  catchUp: CatchUp.default("one"),
  /** Older slots are missed whatever `catchUp` says. */
  catchUpMinutes: z.number().int().min(1).max(LIMITS.catchUpMinutes).default(1_440),
  /** With `all`: how many slots are caught up at most, the latest ones. */
  catchUpSlots: z.number().int().min(1).max(LIMITS.catchUpSlots).default(100),
  enabled: z.boolean().default(true),
});
export type CreateSchedule = z.infer<typeof CreateSchedule>;

/** What is left out stays. A new cron or time zone, and enabling, count from now on: nothing is caught up. */
export const PatchSchedule = z.strictObject({
  version: Version.nullable().optional(),
  cron: Timing.shape.cron.optional(),
  timeZone: z.string().min(1).max(64).optional(),
  input: Json.optional(),
  overlap: Overlap.optional(),
  catchUp: CatchUp.optional(),
  catchUpMinutes: z.number().int().min(1).max(LIMITS.catchUpMinutes).optional(),
  catchUpSlots: z.number().int().min(1).max(LIMITS.catchUpSlots).optional(),
  enabled: z.boolean().optional(),
});
export type PatchSchedule = z.infer<typeof PatchSchedule>;

export const Schedule = Target.extend({
  id: Id,
  cron: z.string(),
  timeZone: z.string(),
  input: Json,
  overlap: Overlap,
  catchUp: CatchUp,
  catchUpMinutes: z.number().int(),
  catchUpSlots: z.number().int(),
  enabled: z.boolean(),
  /** The next fire times, at most five; empty while it is disabled. */
  next: z.array(Time),
  createdAt: Time,
  updatedAt: Time,
});
export type Schedule = z.infer<typeof Schedule>;

/** A time at which a schedule fires, and what became of it. */
export const Slot = z.object({
  slot: Time,
  /** The last of several slots that were missed together; else null. */
  until: Time.nullable(),
  /** How many slots this row stands for; the count stops at 1,000. */
  slots: z.number().int(),
  outcome: z.enum(["due", "fired", "skipped", "missed", "failed"]),
  runId: Id.nullable(),
  reason: z.string().nullable(),
  /** Fired by a person, beside the schedule. */
  manual: z.boolean(),
});
export type Slot = z.infer<typeof Slot>;

const HeaderName = z
  .string()
  .max(64)
  .regex(/^[a-z0-9-]+$/, "expected a header's name in lower case");
const DeliveryHeader = HeaderName.nullable();

/**
 * How a webhook knows its sender. `hmac` without more is this platform's own scheme: HMAC-SHA256 over
 * `<timestamp>.<body>`. With `timestampHeader: null` it is over the body alone, as GitHub signs.
 */
export const Verification = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("hmac"),
    header: HeaderName.default("x-auterity-signature"),
    /** What stands before the signature in its header. */
    prefix: z
      .string()
      .max(16)
      .regex(/^[\x21-\x7e]*$/, "expected visible ASCII without spaces")
      .default("v1="),
    encoding: z.enum(["hex", "base64"]).default("hex"),
    timestampHeader: HeaderName.nullable().default("x-auterity-timestamp"),
    toleranceSeconds: z.number().int().min(1).max(LIMITS.toleranceSeconds).default(300),
    /** Names the delivery, so that a repeated one answers with the same run. */
    deliveryHeader: DeliveryHeader.default("x-auterity-delivery"),
  }),
  z.strictObject({
    kind: z.literal("token"),
    header: HeaderName.default("x-auterity-token"),
    deliveryHeader: DeliveryHeader.default("x-auterity-delivery"),
  }),
]);
export type Verification = z.infer<typeof Verification>;

/** Never shown again: what is answered when it is made or rotated. */
const Secret = z.string();
const GivenSecret = z
  .string()
  .min(16)
  .max(256)
  .regex(/^[\x21-\x7e]+$/, "expected visible ASCII without spaces")
  .optional();

/** Headers that are credentials never reach an input. */
const InputHeader = HeaderName.refine(
  (name) => !/^(authorization|proxy-authorization|cookie|x-api-key)$/.test(name),
  "expected no header that carries a credential",
);
export const CreateWebhook = NewTarget.extend({
  verification: Verification,
  /** Headers of the request that become part of the run's input. */
  headers: z.array(InputHeader).max(LIMITS.webhookHeaders).default([]),
  /** For senders that choose it themselves; otherwise one is made. */
  secret: GivenSecret,
});
export type CreateWebhook = z.infer<typeof CreateWebhook>;
export const RotateWebhook = z.strictObject({ secret: GivenSecret }).optional();

export const Webhook = Target.extend({
  id: Id,
  /** Where to send to, on this server. */
  path: z.string(),
  verification: Verification,
  headers: z.array(z.string()),
  createdAt: Time,
  rotatedAt: Time.nullable(),
});
export type Webhook = z.infer<typeof Webhook>;
export const WebhookWithSecret = Webhook.extend({ secret: Secret });
export type WebhookWithSecret = z.infer<typeof WebhookWithSecret>;

/** `repeated`: this delivery had been received before, and nothing was started. */
export const HookAnswer = z.object({ runId: Id, repeated: z.boolean() });
export type HookAnswer = z.infer<typeof HookAnswer>;

const EndedStatus = z.enum(FINAL_STATUSES);
const HttpUrl = z.url({ protocol: /^https?$/ }).max(2_048);
export const CreateRunListener = z.strictObject({
  /** Null listens to every workflow of the workspace. */
  workflowId: Id.nullable(),
  on: z
    .array(EndedStatus)
    .min(1)
    .max(3)
    .refine((on) => new Set(on).size === on.length, "expected each status once"),
  action: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("start_workflow"), workflowId: Id, version: Version.optional() }),
    z.strictObject({ kind: z.literal("webhook"), url: HttpUrl, secret: GivenSecret }),
  ]),
});
export type CreateRunListener = z.infer<typeof CreateRunListener>;

export const ListenerAction = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("start_workflow"), workflowId: Id, version: Version.nullable() }),
  z.object({ kind: z.literal("webhook"), url: z.string() }),
]);
export type ListenerAction = z.infer<typeof ListenerAction>;
export const RunListener = z.object({
  id: Id,
  workflowId: Id.nullable(),
  on: z.array(EndedStatus),
  action: ListenerAction,
  createdAt: Time,
});
export type RunListener = z.infer<typeof RunListener>;
/** `secret` signs what a webhook listener sends; null for others. */
export const RunListenerWithSecret = RunListener.extend({ secret: Secret.nullable() });
export type RunListenerWithSecret = z.infer<typeof RunListenerWithSecret>;

/** What came of one run's end for one listener. */
export const ListenerDelivery = z.object({
  runId: Id,
  status: EndedStatus,
  /** `failed` is given up: too many attempts, or nothing that another attempt could mend. */
  outcome: z.enum(["due", "done", "failed"]),
  attempts: z.number().int(),
  startedRunId: Id.nullable(),
  reason: z.string().nullable(),
  createdAt: Time,
  settledAt: Time.nullable(),
});
export type ListenerDelivery = z.infer<typeof ListenerDelivery>;
