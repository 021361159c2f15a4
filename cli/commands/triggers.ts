import { Json } from "#contract/common.ts";
import { CreateSchedule, type CreateWebhook } from "#contract/triggers.ts";
import type { Client } from "#sdk/client.ts";
import { readInput } from "../definition-file.ts";
import { notice, printDocument, printList, type Format } from "../output.ts";

export async function listSchedules(client: Client, output: Format): Promise<void> {
  const { items } = await client.listSchedules({ query: { limit: 200 } });
  const names = await workflowNames(client);
  printList(items, output, [
    ["ID", (schedule) => schedule.id],
    ["WORKFLOW", (schedule) => names.get(schedule.workflowId) ?? schedule.workflowId],
    ["CRON", (schedule) => schedule.cron],
    ["ZONE", (schedule) => schedule.timeZone],
    ["OVERLAP", (schedule) => schedule.overlap],
    ["NEXT", (schedule) => schedule.next[0] ?? (schedule.enabled ? "never" : "disabled")],
  ]);
}

export type ScheduleOptions = { zone: string; overlap: string; catchUp: string; input: readonly string[] };
export async function addSchedule(
  client: Client,
  { workflow, cron }: { workflow: string; cron: string },
  options: ScheduleOptions,
): Promise<void> {
  const workflowId = await idOfWorkflow(client, workflow);
  const { zone: timeZone, overlap, catchUp, input } = options;
  const body = CreateSchedule.parse({ workflowId, cron, timeZone, overlap, catchUp, input: Json.parse(readInput(input)) });
  const schedule = await client.createSchedule({ body });
  notice(`Schedule ${schedule.id} fires next at ${schedule.next[0] ?? "no time at all"}.`);
}

export async function removeSchedule(client: Client, id: string): Promise<void> {
  await client.deleteSchedule({ params: { id } });
  notice(`Schedule ${id} is deleted; its runs stay.`);
}

export async function fireSchedule(client: Client, id: string): Promise<void> {
  const run = await client.fireSchedule({ params: { id } });
  notice(`Started ${run.id}.`);
}

export async function listSlots(client: Client, id: string, output: Format): Promise<void> {
  const { items } = await client.listSlots({ params: { id }, query: { limit: 200 } });
  printList(items, output, [
    ["SLOT", (slot) => slot.slot],
    ["OUTCOME", (slot) => (slot.slots > 1 ? `${slot.outcome} (${slot.slots})` : slot.outcome)],
    ["RUN", (slot) => slot.runId ?? ""],
    ["REASON", (slot) => slot.reason ?? ""],
  ]);
}

export async function listWebhooks(client: Client, output: Format): Promise<void> {
  const { items } = await client.listWebhooks({ query: { limit: 200 } });
  const names = await workflowNames(client);
  printList(items, output, [
    ["ID", (webhook) => webhook.id],
    ["WORKFLOW", (webhook) => names.get(webhook.workflowId) ?? webhook.workflowId],
    ["PATH", (webhook) => webhook.path],
    ["VERIFICATION", (webhook) => `${webhook.verification.kind} in ${webhook.verification.header}`],
  ]);
}

export const WEBHOOK_SCHEMES = ["auterity", "github", "token"] as const;
type Scheme = (typeof WEBHOOK_SCHEMES)[number];
const VERIFICATION: Record<Scheme, Parameters<Client["createWebhook"]>[0]["body"]["verification"]> = {
  auterity: { kind: "hmac" },
  github: { kind: "hmac", header: "x-hub-signature-256", prefix: "sha256=", timestampHeader: null, deliveryHeader: "x-github-delivery" },
  token: { kind: "token" },
};
const HEADERS: Record<Scheme, CreateWebhook["headers"]> = { auterity: [], github: ["x-github-event"], token: [] };

/** The secret is data: it goes to standard output, once. */
export async function addWebhook(client: Client, workflow: string, { scheme, output }: { scheme: Scheme; output: Format }): Promise<void> {
  const workflowId = await idOfWorkflow(client, workflow);
  const webhook = await client.createWebhook({ body: { workflowId, verification: VERIFICATION[scheme], headers: HEADERS[scheme] } });
  notice("The secret is shown only now.");
  printSecret(webhook, output);
}

export async function rotateWebhook(client: Client, id: string, output: Format): Promise<void> {
  const webhook = await client.rotateWebhook({ params: { id }, body: {} });
  notice("The old secret no longer works; the new one is shown only now.");
  printSecret(webhook, output);
}

const printSecret = ({ id, path, secret }: { id: string; path: string; secret: string }, output: Format): void =>
  printDocument({ id, path, secret }, output === "table" ? "yaml" : output);

export async function removeWebhook(client: Client, id: string): Promise<void> {
  await client.deleteWebhook({ params: { id } });
  notice(`Webhook ${id} is deleted; its runs stay.`);
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** People know workflows by name. */
async function idOfWorkflow(client: Client, named: string): Promise<string> {
  if (UUID.test(named)) return named;
  const { items } = await client.listWorkflows({ query: { name: named, limit: 200 } });
  const found = items.find(({ name }) => name === named);
  if (!found) throw new Error(`There is no workflow ${JSON.stringify(named)}; expected its exact name, or its id.`);
  return found.id;
}

async function workflowNames(client: Client): Promise<Map<string, string>> {
  const { items } = await client.listWorkflows({ query: { limit: 200 } });
  return new Map(items.map(({ id, name }) => [id, name]));
}
