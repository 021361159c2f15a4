import type { StepRef } from "#server/kernel/ports.ts";
import type { Envelope } from "./agent-port.ts";
import { ChatAnswer, ChatCall, type ChatMessage } from "./chat-call.ts";
import { exchange, resultOf, type ExchangeDeps } from "./exchange.ts";
import { portOf, type ModelDirectory } from "./models.ts";
import type { ModelDeps } from "./openai/chat-model.ts";

export type ModelQuestion = {
  tenantId: string;
  environment: string;
  model: string;
  messages: ChatMessage[];
  maxTokens: number;
  temperature: number | undefined;
  /** The step for which it is asked, if any. */
  step: StepRef | undefined;
  timeoutMs: number;
  signal: AbortSignal;
};
export type ModelSaid = { text: string; model: string; finishReason: string };

type Deps = ExchangeDeps & { models: ModelDirectory; model: ModelDeps; newId: () => string };

/** One question to a registered model for another part of the platform; recorded like any other. */
export const askModel =
  (deps: Deps) =>
  async (question: ModelQuestion): Promise<ModelSaid> => {
    const { tenantId, environment, step, timeoutMs, signal, model, messages, maxTokens, temperature } = question;
    const chosen = await deps.models.choose(model, { tenantId, environment });
    const id = deps.newId();
    const content = { ...ChatCall.parse({ model, messages, maxTokens, temperature }) };
    const envelope: Envelope = {
      id,
      tenantId,
      environment,
      to: chosen.id,
      protocol: "openai",
      content,
      idempotencyKey: id,
      repeatable: true,
      ttlMs: timeoutMs,
      step,
    };
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const answer = await resultOf(
      exchange(deps, { port: portOf(deps.model, chosen), envelope, signal: limit, method: "chat.completions" }),
    );
    const { text, finishReason } = ChatAnswer.parse(answer);
    return { text, finishReason, model: chosen.id };
  };
