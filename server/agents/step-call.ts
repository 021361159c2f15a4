import type { z } from "zod";
import type { Json } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Database } from "#server/kernel/ports.ts";
import type { StepCall, StepRequest } from "#server/kernel/step-executor.ts";
import { limitOf, type AgentRecord } from "./agent.ts";
import type { Envelope } from "./agent-port.ts";
import type { ExchangeDeps } from "./exchange.ts";
import { describeIssues } from "./json-schema.ts";
import { findAgent, findAgentByName } from "./store.pg.ts";

/** What the executors of all kinds need. */
export type StepDeps = ExchangeDeps & { database: Database; newId: () => string };

type Addressed = Pick<Envelope, "id" | "to" | "protocol" | "content">;
export function envelopeOf(call: StepCall, addressed: Addressed): Envelope {
  const { tenantId, environment, key: idempotencyKey, effect, timeoutMs: ttlMs, step, handle } = call;
  const repeatable = effect === "none" || effect === "idempotent";
  return { ...addressed, tenantId, environment, idempotencyKey, repeatable, ttlMs, step, handle };
}

export function parseStepInput<T>(schema: z.ZodType<T>, input: Json): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, 20).map((issue) => ({ path: issue.path.join("."), message: issue.message }));
  const message = `The step's input is not usable: ${describeIssues(issues)}.`;
  throw new AppError("input_invalid", message, { issues, remedy: "Correct the step's fields." });
}

export const agentBinding = (agent: AgentRecord): Record<string, string> => ({
  agent: agent.id,
  agentVersion: agent.version,
  ...limitOf(agent),
});

export async function findByName(database: Database, name: string, { tenantId, environment }: StepRequest): Promise<AgentRecord> {
  const agent = await database.asTenant(tenantId, (tx) => findAgentByName(tx, { name, environment }));
  if (!agent) throw new AppError("agent_unknown", `There is no agent ${name} in ${environment}.`);
  return agent;
}

/** The agent that `prepare` chose, even if another one has its name by now. */
export async function findBound(database: Database, name: string, call: StepCall): Promise<AgentRecord> {
  const id = call.binding?.["agent"];
  if (id === undefined) return findByName(database, name, call);
  const agent = await database.asTenant(call.tenantId, (tx) => findAgent(tx, id));
  if (!agent) throw new AppError("agent_unknown", `The agent ${name} that this step was bound to has been deleted.`);
  return agent;
}
