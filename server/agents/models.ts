import type { Model } from "#contract/agents.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Database } from "#server/kernel/ports.ts";
import { isKind, limitOf, requireKind, type AgentOf, type AgentRecord } from "./agent.ts";
import type { AgentPort } from "./agent-port.ts";
import { OFFLINE_DESCRIPTION, OFFLINE_MODEL, OFFLINE_PROVIDER, OFFLINE_VERSION, offlineModel } from "./offline/extractive.ts";
import { chatModel, type ModelDeps } from "./openai/chat-model.ts";
import { findAgent, findAgentByName, listProviders } from "./store.pg.ts";

/** A model that a call can use: the built-in one, or one of a provider's. `model` is the provider's own name of it. */
export type ChosenModel = { id: string; model: string; provider: AgentOf<"openai"> | null };
type Where = { tenantId: string; environment: string };

/** Finds models by `<provider>/<model>`, or by a bare model id that exactly one provider lists. */
export function createModelDirectory(database: Database) {
  const choose = async (id: string, where: Where): Promise<ChosenModel> => {
    if (id === OFFLINE_MODEL) return { id, model: "extractive", provider: null };
    return database.asTenant(where.tenantId, async (tx) => {
      const slash = id.indexOf("/");
      const named = slash > 0 ? await findAgentByName(tx, { name: id.slice(0, slash), environment: where.environment }) : undefined;
      if (named && isKind(named, "openai")) return ofProvider(named, id.slice(slash + 1));
      return onlyProvider(id, await listProviders(tx, where.environment));
    });
  };

  /** The model that an earlier `choose` has bound a step to. */
  const bound = async (binding: Record<string, string>, where: Where): Promise<ChosenModel> => {
    const { agent: agentId, model } = bindingOf(binding);
    if (agentId === OFFLINE_PROVIDER) return { id: OFFLINE_MODEL, model: "extractive", provider: null };
    const agent = await database.asTenant(where.tenantId, (tx) => findAgent(tx, agentId));
    if (!agent) throw new AppError("agent_unknown", "The provider that this step was bound to has been deleted.");
    return { id: `${agent.name}/${model}`, model, provider: requireKind(agent, "openai") };
  };

  const list = async (tenantId: string): Promise<Model[]> => {
    const providers = await database.asTenant(tenantId, (tx) => listProviders(tx));
    const models = providers.flatMap((agent) => modelsOf(agent).map((model) => describe(agent, model)));
    return [
      { id: OFFLINE_MODEL, provider: OFFLINE_PROVIDER, languageModel: false, description: OFFLINE_DESCRIPTION },
      // The same provider may exist in several environments.
      ...new Map(models.map((model) => [model.id, model])).values(),
    ];
  };

  return { choose, bound, list };
}
export type ModelDirectory = ReturnType<typeof createModelDirectory>;

const describe = (agent: AgentRecord, model: string): Model => ({
  id: `${agent.name}/${model}`,
  provider: agent.name,
  languageModel: true,
  description: agent.description || agent.title,
});

const modelsOf = (agent: AgentRecord): readonly string[] => (isKind(agent, "openai") ? agent.endpoint.models : []);

/** A provider that lists its models has only those; one that lists none may have any. */
function ofProvider(provider: AgentOf<"openai">, model: string): ChosenModel {
  const { models } = provider.endpoint;
  if (models.length === 0 || models.includes(model)) return { id: `${provider.name}/${model}`, model, provider };
  throw new AppError("model_unknown", `${provider.name} has no model ${model}; it has ${models.join(", ")}.`);
}

function onlyProvider(id: string, providers: readonly AgentRecord[]): ChosenModel {
  const having = providers.filter((agent) => modelsOf(agent).includes(id));
  const [provider] = having;
  if (provider && having.length === 1) return { id: `${provider.name}/${id}`, model: id, provider: requireKind(provider, "openai") };
  if (having.length === 0) throw new AppError("model_unknown", `No provider has a model ${id}.`);
  const names = having.map((agent) => `${agent.name}/${id}`).join(", ");
  throw new AppError("model_unknown", `Several providers have a model ${id}: ${names}.`, { remedy: "Name the provider, too." });
}

export const portOf = (deps: ModelDeps, { provider, model }: ChosenModel): AgentPort =>
  provider ? chatModel(deps, provider, model) : offlineModel;

export const modelBinding = ({ provider, model }: ChosenModel): Record<string, string> => ({
  agent: provider?.id ?? OFFLINE_PROVIDER,
  agentVersion: provider?.version ?? OFFLINE_VERSION,
  model,
  ...(provider && limitOf(provider)),
});

function bindingOf(binding: Record<string, string>): { agent: string; model: string } {
  const { agent, model } = binding;
  if (agent === undefined || model === undefined) throw new AppError("internal", "A model step's binding names no agent or no model.");
  return { agent, model };
}
