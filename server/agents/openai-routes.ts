import { z } from "zod";
import { Json } from "#contract/common.ts";
import { chatCompletions, openaiModels, type ChatRequest, type ChatResponse } from "#contract/openai.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import { EventStream, handle, type Handled, type RequestContext, type SseEvent } from "#server/kernel/handle.ts";
import type { AgentEvent, Envelope } from "./agent-port.ts";
import { ChatAnswer, type ChatCall, type ChatMessage } from "./chat-call.ts";
import { exchange, type ExchangeDeps } from "./exchange.ts";
import { portOf, type ModelDirectory } from "./models.ts";
import { OFFLINE_MODEL, OFFLINE_VERSION } from "./offline/extractive.ts";
import type { ModelDeps } from "./openai/chat-model.ts";

export type OpenaiDeps = ExchangeDeps & { models: ModelDirectory; model: ModelDeps; newId: () => string };
type Shown = { id: string; created: number; model: string; system_fingerprint?: string };

const MAX_MS = 600_000;

/** The platform's models behind OpenAI's own API: for every client that can be given a base URL. */
export const openaiRoutes = (deps: OpenaiDeps): Handled[] => [
  handle(openaiModels, async ({ caller }) => {
    const models = await deps.models.list(caller.tenantId);
    // When a provider's model was made is not known.
    return {
      object: "list" as const,
      data: models.map(({ id, provider }) => ({ id, object: "model" as const, created: 0, owned_by: provider })),
    };
  }),
  handle(chatCompletions, async (request) => {
    const { body } = request;
    const call = callOf(body);
    // As it is: a copy would lose the signal, which is made only when it is asked for.
    const { id, events } = await ask(deps, call, request);
    const shown: Shown = {
      id: `chatcmpl-${id}`,
      created: Math.floor(deps.now().getTime() / 1_000),
      model: body.model,
      ...(call.model === OFFLINE_MODEL && { system_fingerprint: OFFLINE_VERSION }),
    };
    if (body.stream !== true) return complete(await answerOf(events), shown);
    // The first event is awaited here, so that a call that cannot begin is an error and not a broken stream.
    const first = await events.next();
    return new EventStream(chunks({ first, events, shown, withUsage: wantsUsage(body) }));
  }),
];

async function ask(
  deps: OpenaiDeps,
  call: ChatCall,
  { caller, signal }: RequestContext,
): Promise<{ id: string; events: AsyncGenerator<AgentEvent> }> {
  const where = { tenantId: caller.tenantId, environment: "production" };
  const chosen = await deps.models.choose(call.model, where);
  const id = deps.newId();
  const envelope: Envelope = {
    id,
    ...where,
    to: chosen.id,
    protocol: "openai",
    content: { ...call },
    idempotencyKey: id,
    repeatable: true,
    ttlMs: MAX_MS,
  };
  const limit = AbortSignal.any([signal, AbortSignal.timeout(MAX_MS)]);
  return { id, events: exchange(deps, { port: portOf(deps.model, chosen), envelope, signal: limit, method: "chat.completions" }) };
}

const Extras = z.object({
  temperature: z.number().min(0).max(2).optional().catch(undefined),
  max_tokens: z.number().int().min(1).max(1_000_000).optional().catch(undefined),
  max_completion_tokens: z.number().int().min(1).max(1_000_000).optional().catch(undefined),
  stream_options: z.object({ include_usage: z.boolean().optional() }).optional().catch(undefined),
});
const JsonSchemaFormat = z.object({
  type: z.literal("json_schema"),
  json_schema: z.object({ schema: z.record(z.string(), Json).default({}) }),
});

const wantsUsage = (body: ChatRequest): boolean => Extras.parse(body).stream_options?.include_usage === true;

function callOf(body: ChatRequest): ChatCall {
  const { temperature, max_tokens, max_completion_tokens } = Extras.parse(body);
  return {
    model: body.model,
    messages: body.messages.map(messageOf),
    temperature,
    maxTokens: max_completion_tokens ?? max_tokens,
    responseSchema: schemaOf(body.response_format),
  };
}

function messageOf({ role, content }: ChatRequest["messages"][number]): ChatMessage {
  if (role === "tool")
    throw new AppError("request_invalid", "Messages of role `tool` are not supported: no tools are offered to the model here.");
  const text = typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("\n");
  return { role: role === "developer" ? "system" : role, content: text };
}

function schemaOf(format: ChatRequest["response_format"]): Record<string, Json> | undefined {
  if (format?.type === "json_object") return {};
  if (format?.type !== "json_schema") return undefined;
  const parsed = JsonSchemaFormat.safeParse(format);
  if (parsed.success) return parsed.data.json_schema.schema;
  throw new AppError("request_invalid", "Expected `response_format.json_schema.schema` to be a JSON Schema.");
}

async function answerOf(events: AsyncIterable<AgentEvent>): Promise<ChatAnswer> {
  for await (const event of events) if (event.type === "result") return ChatAnswer.parse(event.output);
  throw new AppError("model_failed", "The model ended without an answer.");
}

const usageOf = ({ usage }: ChatAnswer): ChatResponse["usage"] => ({
  prompt_tokens: usage.promptTokens,
  completion_tokens: usage.completionTokens,
  total_tokens: usage.totalTokens,
});
const reasonOf = (answer: ChatAnswer): "stop" | "length" => (answer.finishReason === "length" ? "length" : "stop");

const complete = (answer: ChatAnswer, shown: Shown): ChatResponse => ({
  ...shown,
  object: "chat.completion",
  choices: [{ index: 0, message: { role: "assistant", content: answer.text }, finish_reason: reasonOf(answer) }],
  usage: usageOf(answer),
});

type Streaming = { first: IteratorResult<AgentEvent>; events: AsyncGenerator<AgentEvent>; shown: Shown; withUsage: boolean };

async function* chunks({ first, events, shown, withUsage }: Streaming): AsyncGenerator<SseEvent> {
  const chunk = (delta: Record<string, string>, finish_reason: string | null): SseEvent => ({
    data: { ...shown, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] },
  });
  try {
    yield chunk({ role: "assistant", content: "" }, null);
    for (let next = first; !next.done; next = await events.next()) {
      if (next.value.type === "token") yield chunk({ content: next.value.text }, null);
      if (next.value.type !== "result") continue;
      const answer = ChatAnswer.parse(next.value.output);
      yield chunk({}, reasonOf(answer));
      if (withUsage) yield { data: { ...shown, object: "chat.completion.chunk", choices: [], usage: usageOf(answer) } };
    }
    yield { raw: "[DONE]" };
  } catch (thrown) {
    const { code, message } = toAppError(thrown);
    yield { data: { error: { message, type: "server_error", code } } };
  } finally {
    await events.return(undefined);
  }
}
