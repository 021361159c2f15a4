import { z } from "zod";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import type { HookAnswer } from "#contract/triggers.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import { UUID } from "#server/kernel/paging.ts";
import { callBudget } from "./call-budget.ts";
import { mayPass } from "./fire-slot.ts";
import type { TriggersDeps } from "./ports.ts";
import { refusalRecord } from "./refusal-record.ts";
import { digest, prove, textOf, type Headers } from "./signature.ts";
import * as store from "./webhooks.pg.ts";
import type { WebhookRecord } from "./webhooks.pg.ts";
import { openSecret, secretRowName } from "./secret.ts";

type Deps = Pick<TriggersDeps, "database" | "audit" | "codec" | "redactor" | "log" | "now" | "runs" | "stepHooks">;
type HookPayload = { body: Json; headers: Record<string, string>; query: Record<string, string> };
type Call = { hook: string; headers: Headers; query: Record<string, string>; body: Json; rawBody: Uint8Array };

/**
 * Takes a request from outside: who sent it is proved before anything is written. A delivery is remembered before its run is
 * started, and the run is started under the delivery's key: whatever is repeated, by the sender or after a crash, finds the
 * same run.
 */
export const receive = (deps: Deps): ((call: Call) => Promise<HookAnswer>) => {
  const spend = callBudget(LIMITS.webhookCallsPerMinute);
  const recordRefusal = refusalRecord(deps);
  return async (call) => {
    const { hook, headers } = call;
    if (!UUID.test(hook)) return callStep(deps, call);
    const webhook = await deps.database.asWorker((tx) => store.findWebhook(tx, hook));
    if (!webhook) throw hookNotFound();
    const secret = await openSecret(deps, webhook.secret, { tenantId: webhook.tenantId, row: secretRowName("webhooks", hook) });
    try {
      const { signature } = prove(webhook.verification, secret, { headers, body: call.rawBody, nowMs: deps.now().getTime() });
      spend(hook, deps.now().getTime());
      return await deliver(deps, webhook, { ...call, signature });
    } catch (error) {
      if (error instanceof AppError && REFUSALS.has(error.code)) await recordRefusal(webhook, error);
      throw error;
    }
  };
};

const REFUSALS: ReadonlySet<string> = new Set(["webhook_signature_invalid", "webhook_replayed", "rate_limited"]);
const hookNotFound = (): AppError => new AppError("not_found", "There is no webhook at this address.");

async function callStep({ database, stepHooks }: Deps, { hook, body }: Call): Promise<HookAnswer> {
  const step = stepHooks.read(hook);
  const tenantId = step && (await database.asWorker((tx) => store.findTenantOfRun(tx, step.runId)));
  if (tenantId === undefined || !step) throw hookNotFound();
  await stepHooks.call({ ...step, tenantId, payload: body });
  return { runId: step.runId, repeated: false };
}

type Proved = Call & { signature: Buffer | null };

async function deliver(deps: Deps, webhook: WebhookRecord, call: Proved): Promise<HookAnswer> {
  const delivery = deliveryOf(webhook, call);
  const payload: HookPayload = { body: call.body, query: call.query, headers: pickHeaders(call.headers, webhook.headers) };
  if (delivery === undefined) return { runId: await start(deps, webhook, { payload }), repeated: false };
  const known = await remember(deps, webhook, { call, payload, delivery });
  if (known.runId !== null) return { runId: known.runId, repeated: true };
  const ref = { webhookId: webhook.id, delivery };
  try {
    const runId = await start(deps, webhook, { payload: known.payload, delivery });
    await deps.database.asTenant(webhook.tenantId, (tx) => store.answerDelivery(tx, ref, runId));
    return { runId, repeated: false };
  } catch (error) {
    // A delivery that starts nothing leaves nothing; one whose start may still come to pass is remembered.
    if (!mayPass(toAppError(error))) await deps.database.asTenant(webhook.tenantId, (tx) => store.forgetDelivery(tx, ref));
    throw error;
  }
}

/** The sender's name for it; else its signature, as the same signed bytes are the same delivery. */
function deliveryOf({ verification }: WebhookRecord, { headers, signature }: Proved): string | undefined {
  const named = verification.deliveryHeader === null ? undefined : textOf(headers, verification.deliveryHeader);
  if (named !== undefined) {
    if (/^[\x20-\x7e]{1,255}$/.test(named)) return `id:${named}`;
    const path = `headers.${verification.deliveryHeader ?? ""}`;
    const message = "expected 1 to 255 visible ASCII characters";
    throw new AppError("request_invalid", `The delivery's id does not fit: ${message}.`, { issues: [{ path, message }] });
  }
  return signature === null ? undefined : signedName(signature);
}
const signedName = (signature: Buffer): string => `sig:${signature.toString("hex")}`;

type Remembering = { call: Proved; payload: HookPayload; delivery: string };
type Remembered = { runId: string | null; payload: HookPayload };
const Context = z.object({ headers: z.record(z.string(), z.string()), query: z.record(z.string(), z.string()) });

/** Throws `webhook_replayed` for another content under the same name, and for the same signature under another name. */
async function remember(
  { database, codec, redactor }: Deps,
  webhook: WebhookRecord,
  { call, payload, delivery }: Remembering,
): Promise<Remembered> {
  const { id: webhookId, tenantId } = webhook;
  const at = { tenantId, row: `webhook_deliveries/${webhookId}/${delivery}` };
  const bodyHash = digest(call.rawBody);
  const { headers, query } = payload;
  const context = codec.encode(redactor.json({ headers, query }), { ...at, confidential: true });
  return database.asTenant(tenantId, async (tx) => {
    const entry = { webhookId, tenantId, delivery, signature: call.signature, bodyHash };
    if (await store.insertDelivery(tx, { ...entry, context }))
      return { runId: null, payload: { ...payload, ...contextOf(codec.decode(context, at)) } };
    const known = await store.findDelivery(tx, entry);
    if (!known) throw await replayed(tx, webhookId, call.signature);
    if (!known.bodyHash.equals(bodyHash))
      throw new AppError("webhook_replayed", `The delivery ${shownName(delivery)} came before, with another body.`);
    if (known.runId === null)
      return { runId: null, payload: { ...payload, ...(known.context && contextOf(codec.decode(known.context, at))) } };
    // What a sender has signed anew is remembered too, else it could be sent again under another name.
    if (call.signature)
      await store.insertDelivery(tx, { ...entry, delivery: signedName(call.signature), context: null, runId: known.runId });
    return { runId: known.runId, payload };
  });
}

const contextOf = (context: Json): z.infer<typeof Context> => Context.parse(context);
const shownName = (delivery: string): string => JSON.stringify(delivery.replace(/^\w+:/, ""));

type Tx = Parameters<typeof store.findDelivery>[0];
async function replayed(tx: Tx, webhookId: string, signature: Buffer | null): Promise<AppError> {
  const original = signature && (await store.findSigned(tx, webhookId, signature));
  if (!original) return new AppError("conflict", "The same delivery is being received at the same time.", { retryable: true });
  return new AppError("webhook_replayed", `The same signed bytes came before as the delivery ${shownName(original.delivery)}.`);
}

type Start = { payload: HookPayload; delivery?: string };
async function start({ runs }: Deps, webhook: WebhookRecord, { payload, delivery }: Start): Promise<string> {
  const run = await runs.startRun({
    tenantId: webhook.tenantId,
    initiator: `webhook:${webhook.id}`,
    workflowId: webhook.workflowId,
    version: webhook.version ?? undefined,
    input: { ...payload },
    ...(delivery !== undefined && { idempotencyKey: `delivery:${digest(delivery).toString("hex")}` }),
  });
  return run.id;
}

function pickHeaders(headers: Headers, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => named(name, textOf(headers, name))));
}
const named = (name: string, value: string | undefined): [string, string][] => (value === undefined ? [] : [[name, value]]);
