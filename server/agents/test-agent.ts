import type { Json } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Database } from "#server/kernel/ports.ts";
import { a2aAgent } from "./a2a/a2a-agent.ts";
import type { A2aConnector } from "./a2a/connection.ts";
import { isKind, type AgentOf, type AgentRecord } from "./agent.ts";
import type { AgentPort, Envelope } from "./agent-port.ts";
import type { AgentHub } from "./custom/agent-hub.ts";
import { customAgent } from "./custom/custom-agent.ts";
import { checkSkillInput } from "./custom/custom-executor.ts";
import { exchange, resultOf, type ExchangeDeps } from "./exchange.ts";
import type { NoteReachable } from "./agent-status.ts";
import type { SchemaCheck } from "./json-schema.ts";
import { chatModel, type ModelDeps } from "./openai/chat-model.ts";
import { findAgent } from "./store.pg.ts";

export type TestDeps = ExchangeDeps & {
  database: Database;
  hub: AgentHub;
  connector: A2aConnector;
  model: ModelDeps;
  checkSchema: SchemaCheck;
  noteReachable: NoteReachable;
  newId: () => string;
};
type Trial = {
  tenantId: string;
  id: string;
  skill?: string;
  model?: string;
  input: Json;
  timeoutMs: number;
  signal: AbortSignal;
};
type Chosen = Pick<Envelope, "protocol" | "content"> & { port: AgentPort; method: string };

/** Calls an agent once, outside a run. An agent that is not connected fails at once instead of being waited for. */
export const testAgent =
  (deps: TestDeps) =>
  async (trial: Trial): Promise<{ output: Json; latencyMs: number }> => {
    const { tenantId, timeoutMs } = trial;
    const agent = await deps.database.asTenant(tenantId, (tx) => findAgent(tx, trial.id));
    if (!agent) throw new AppError("not_found", "There is no such agent.");
    const { port, protocol, content, method } = choose(deps, agent, trial);
    const id = deps.newId();
    const to = agent.name;
    const envelope = {
      id,
      tenantId,
      environment: agent.environment,
      to,
      protocol,
      content,
      idempotencyKey: id,
      repeatable: true,
      ttlMs: timeoutMs,
    };
    const signal = AbortSignal.any([trial.signal, AbortSignal.timeout(timeoutMs)]);
    const began = deps.now().getTime();
    const output = await deps.noteReachable(agent, () => resultOf(exchange(deps, { port, envelope, signal, method })));
    return { output, latencyMs: deps.now().getTime() - began };
  };

function choose(deps: TestDeps, agent: AgentRecord, trial: Trial): Chosen {
  if (isKind(agent, "custom")) return chooseSkill(deps, agent, trial);
  if (isKind(agent, "a2a"))
    return { port: a2aAgent(deps.connector, agent), protocol: "a2a", content: trial.input, method: "message/stream" };
  if (isKind(agent, "openai")) return chooseModel(deps, agent, trial);
  throw new AppError("internal", `Nothing is known of agents of kind ${agent.endpoint.kind}.`);
}

function chooseSkill(deps: TestDeps, agent: AgentOf<"custom">, { skill: asked, input }: Trial): Chosen {
  if (agent.status !== "online") throw new AppError("agent_offline", `${agent.name} is not connected.`, { retryable: true });
  const skill = asked ?? agent.skills[0]?.name ?? "";
  checkSkillInput(agent, { skill, input, checkSchema: deps.checkSchema });
  return { port: customAgent(deps.hub, agent), protocol: "custom", content: { skill, input }, method: `invoke ${skill}` };
}

/** A text is one user message; anything else must be a chat of its own. */
function chooseModel(deps: TestDeps, agent: AgentOf<"openai">, { model: asked, input }: Trial): Chosen {
  const model = asked ?? agent.endpoint.models[0];
  if (model === undefined) throw new AppError("model_unknown", `${agent.name} lists no models; name one.`);
  const content = typeof input === "string" ? input : JSON.stringify(input);
  const call = { model, messages: [{ role: "user", content }] };
  return { port: chatModel(deps.model, agent, model), protocol: "openai", content: call, method: "chat.completions" };
}
