import type { CreateMessageRequestParams, CreateMessageResult, SamplingMessage } from "@modelcontextprotocol/client";
import { LRUCache } from "lru-cache";
import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Database, Redactor, StepRef } from "#server/kernel/ports.ts";
import type { Sampler } from "../connection/connect-shared.ts";

export type ModelMessage = { role: "system" | "user" | "assistant"; content: string };

/** Asks a registered model. Rejects with an `AppError`. */
export type AskModel = (question: {
  tenantId: string;
  environment: string;
  model: string;
  messages: ModelMessage[];
  maxTokens: number;
  temperature: number | undefined;
  step: StepRef | undefined;
  timeoutMs: number;
  signal: AbortSignal;
}) => Promise<{ text: string; model: string; finishReason: string }>;

/** Rejects with `model_unknown` for a model that nobody has registered. */
export type FindModel = (of: { tenantId: string; environment: string; model: string }) => Promise<unknown>;

const ANSWER_MS = 120_000;
const MINUTE_MS = 60_000;
const MOST_ASKERS = 10_000;

type Deps = { database: Database; audit: Audit; redactor: Redactor; askModel: AskModel | undefined };

/**
 * Lets a registered model answer what a server asks for: as often as the server's settings say, with no more tokens than they
 * say, and with a line in the audit trail before anything is sent.
 */
export function createSampler({ database, audit, redactor, askModel }: Deps): Sampler {
  const mayAsk = rateLimit();
  return async (server, { settings: { sampling }, params, step, signal }) => {
    if (askModel === undefined || sampling === undefined)
      throw new AppError("mcp_input_refused", "This server may not ask models.", { remedy: "Name a model in the server's settings." });
    if (params.tools !== undefined || params.toolChoice !== undefined)
      throw new AppError("mcp_input_refused", "Models are asked without tools of the server's own.");
    if (!mayAsk(server.id, sampling.perMinute))
      throw new AppError("rate_limited", `The server may ask a model ${sampling.perMinute} times a minute, and has done so.`);
    const { tenantId, environment, id } = server;
    const { model } = sampling;
    const maxTokens = Math.min(params.maxTokens, sampling.maxTokens);
    const messages = messagesOf(params).map(({ role, content }) => ({ role, content: redactor.text(content) }));
    const details = {
      server: server.name,
      model,
      maxTokens,
      messages: messages.length,
      ...(step && { runId: step.runId, node: step.nodeId }),
    };
    const entry = { tenantId, actor: `mcp_server:${id}`, action: "mcp_sampling.asked", target: `model:${model}`, details };
    await database.asTenant(tenantId, (tx) => audit.record(tx, entry));
    const { temperature } = params;
    const said = await askModel({ tenantId, environment, model, messages, maxTokens, temperature, step, timeoutMs: ANSWER_MS, signal });
    return answerOf(said);
  };
}

function messagesOf({ systemPrompt, messages }: CreateMessageRequestParams): ModelMessage[] {
  const asked = messages.map((message): ModelMessage => ({ role: message.role, content: textOf(message) }));
  return systemPrompt === undefined ? asked : [{ role: "system", content: systemPrompt }, ...asked];
}

function textOf({ content }: SamplingMessage): string {
  const blocks = Array.isArray(content) ? content : [content];
  const texts = blocks.map((block) => (block.type === "text" ? block.text : undefined));
  if (texts.some((text) => text === undefined)) throw new AppError("mcp_input_refused", "Models are asked with text only.");
  return texts.join("\n");
}

function answerOf({ text, model, finishReason }: { text: string; model: string; finishReason: string }): CreateMessageResult {
  const stopReason = finishReason === "length" ? "maxTokens" : "endTurn";
  return { role: "assistant", content: { type: "text", text }, model, stopReason };
}

/** At most so many within any minute, by key. */
function rateLimit(): (key: string, perMinute: number) => boolean {
  const times = new LRUCache<string, number[]>({ max: MOST_ASKERS, ttl: MINUTE_MS });
  return (key, perMinute) => {
    const now = performance.now();
    const recent = (times.get(key) ?? []).filter((at) => now - at < MINUTE_MS);
    const isAllowed = recent.length < perMinute;
    times.set(key, isAllowed ? [...recent, now] : recent);
    return isAllowed;
  };
}
