import { z } from "zod";
import { Json, Slug } from "#contract/common.ts";
import { copyJson } from "#contract/parse-json.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { StepCall, StepExecutor, StepRequest } from "#server/kernel/step-executor.ts";
import { isKind, type AgentOf, type AgentRecord } from "./agent.ts";
import { ChatCall } from "./chat-call.ts";
import { OFFLINE_MODEL, OFFLINE_PROVIDER } from "./offline/extractive.ts";
import { findBound, findByName, parseStepInput, type StepDeps } from "./step-call.ts";

const AgentInput = z.object({ agent: Slug, skill: z.string().optional(), model: z.string().optional(), input: Json.default({}) });
type AgentInput = z.infer<typeof AgentInput>;

/** What any kind of agent understands: words, what the agent is for, and what they mean as data. */
const Spoken = z.looseObject({
  text: z.string(),
  instructions: z.string().optional(),
  responseSchema: z.record(z.string(), Json).optional(),
});
const Chat = ChatCall.omit({ model: true });

type Kinds = { executeModel: StepExecutor; executeCustom: StepExecutor; executeA2a: StepExecutor };
type Delegated = { to: StepExecutor; input: Json; /** The skill that was chosen, for recovery. */ skill?: string };

/**
 * An agent of whatever kind, by its name: the step is carried out as one of the kind's own type, with the same effect, binding and
 * output. A text becomes a user message, a message, or a skill's input; `{text, instructions, responseSchema, …}` becomes a chat
 * with a system message, a message of words and data, or a skill's input as it is.
 */
export function agentExecutor(deps: Pick<StepDeps, "database">, kinds: Kinds): StepExecutor {
  const delegate = (agent: AgentRecord | undefined, asked: AgentInput, bound: string | undefined): Delegated => {
    if (!agent) return { to: kinds.executeModel, input: chatOf(OFFLINE_MODEL, asked.input) };
    if (isKind(agent, "openai")) return { to: kinds.executeModel, input: chatOf(modelOf(agent, asked), asked.input) };
    if (isKind(agent, "a2a")) return { to: kinds.executeA2a, input: { agent: agent.name, message: messageOf(asked.input) } };
    const skill = asked.skill ?? bound ?? onlySkill(agent);
    return { to: kinds.executeCustom, input: { agent: agent.name, skill, input: asked.input }, skill };
  };
  const find = async (request: StepRequest, name: string): Promise<AgentRecord | undefined> =>
    name === OFFLINE_PROVIDER ? undefined : findByName(deps.database, name, request);

  return {
    prepare: async (request) => {
      const asked = parseStepInput(AgentInput, request.input);
      const { to, input, skill } = delegate(await find(request, asked.agent), asked, undefined);
      const prepared = await to.prepare({ ...request, input });
      return { ...prepared, binding: { ...prepared.binding, ...(skill !== undefined && { skill }) } };
    },
    run: async (call: StepCall) => {
      const asked = parseStepInput(AgentInput, call.input);
      const agent = asked.agent === OFFLINE_PROVIDER ? undefined : await findBound(deps.database, asked.agent, call);
      const { to, input } = delegate(agent, asked, call.binding?.["skill"]);
      return to.run({ ...call, input });
    },
  };
}

function modelOf({ name, endpoint }: AgentOf<"openai">, { model }: AgentInput): string {
  const [only, ...others] = endpoint.models;
  if (model !== undefined) return model.startsWith(`${name}/`) ? model : `${name}/${model}`;
  if (only !== undefined && others.length === 0) return `${name}/${only}`;
  throw new AppError("input_invalid", `Expected the name of a model: ${name} is a provider of ${endpoint.models.join(", ") || "any"}.`, {
    remedy: "Name the `model`.",
  });
}

function onlySkill({ name, skills }: AgentRecord): string {
  const [only, ...others] = skills;
  if (only && others.length === 0) return only.name;
  const known = skills.length === 0 ? "and has never connected" : `which has ${skills.map((skill) => skill.name).join(", ")}`;
  throw new AppError("input_invalid", `Expected the name of a skill of ${name}, ${known}.`, { remedy: "Name the `skill`." });
}

function chatOf(model: string, input: Json): Json {
  const chat = Chat.safeParse(input);
  if (chat.success) return { ...chat.data, model };
  const spoken = Spoken.safeParse(input);
  if (!spoken.success) return { model, messages: [{ role: "user", content: typeof input === "string" ? input : JSON.stringify(input) }] };
  const { text, instructions, responseSchema } = spoken.data;
  const system = instructions ? [{ role: "system", content: instructions }] : [];
  return { model, messages: [...system, { role: "user", content: text }], ...(responseSchema && { responseSchema }) };
}

function messageOf(input: Json): Json {
  const spoken = Spoken.safeParse(input);
  if (!spoken.success) return input;
  const { text, instructions, ...others } = spoken.data;
  const words = instructions ? `${instructions}\n\n${text}` : text;
  if (Object.keys(others).length === 0) return { text: words };
  return parseStepInput(Json, { text: words, data: copyJson(others) });
}
