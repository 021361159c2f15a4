import OpenAI from "openai";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { parseJson } from "#contract/parse-json.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Egress, SecretReader } from "#server/kernel/ports.ts";
import type { AgentOf } from "../agent.ts";
import type { AgentEvent, AgentPort, Envelope } from "../agent-port.ts";
import { boundedFetch } from "../bounded-fetch.ts";
import { ChatCall, type ChatAnswer } from "../chat-call.ts";
import { describeIssues, type SchemaCheck } from "../json-schema.ts";
import { modelError } from "./model-errors.ts";

export type ModelDeps = { egress: Egress; secrets: SecretReader; checkSchema: SchemaCheck };
type Streamed = {
  text: string;
  finishReason: string;
  usage: ChatAnswer["usage"];
  calls: Map<number, { id: string; name: string; arguments: string }>;
};

/** Streamed JSON is much longer than what it carries. */
const MAX_ANSWER_BYTES = 16 * LIMITS.stepOutputBytes;
const SENT_HEADERS = new Set(["accept", "content-type", "user-agent"]);

/** A model behind any OpenAI-compatible API. `model` is the provider's own name of it. */
export function chatModel(deps: ModelDeps, provider: AgentOf<"openai">, model: string): AgentPort {
  return {
    async *invoke(envelope, signal): AsyncGenerator<AgentEvent> {
      const call = ChatCall.parse(envelope.content);
      try {
        const client = await connect(deps, provider, envelope);
        const chunks = await client.chat.completions.create(requestOf(call, { model, provider }), { signal });
        const answer = yield* read(chunks);
        yield { type: "result", output: finish(answer, call, deps.checkSchema) };
      } catch (thrown) {
        throw modelError(thrown, { model: envelope.to, signal });
      }
    },
  };
}

async function connect({ egress, secrets }: ModelDeps, provider: AgentOf<"openai">, envelope: Envelope): Promise<OpenAI> {
  const { tenantId, environment, ttlMs } = envelope;
  const { keySecret: name, baseUrl } = provider.endpoint;
  const apiKey = name === undefined ? undefined : await secrets.read({ tenantId, name, environment, usedBy: `agent:${provider.id}` });
  // The client reads OPENAI_* from the environment where it is told nothing; none of that may reach this address.
  const headers = (asked: Headers): Headers => {
    const sent = new Headers([...asked].filter(([name]) => SENT_HEADERS.has(name)));
    if (apiKey !== undefined) sent.set("authorization", `Bearer ${apiKey}`);
    return sent;
  };
  return new OpenAI({
    baseURL: baseUrl,
    apiKey: apiKey ?? "none",
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: 0,
    timeout: ttlMs,
    logLevel: "off",
    fetch: boundedFetch(egress.fetchFor(tenantId, "model"), { maxBytes: MAX_ANSWER_BYTES, who: provider.name, headers }),
  });
}

function requestOf(call: ChatCall, { model, provider }: { model: string; provider: AgentOf<"openai"> }) {
  const limit = call.maxTokens;
  // OpenAI itself has renamed the field; the servers that imitate it mostly know the old name only.
  const isOpenAi = new URL(provider.endpoint.baseUrl).hostname === "api.openai.com";
  const json = call.responseSchema;
  return {
    model,
    messages: call.messages,
    temperature: call.temperature,
    ...(isOpenAi ? { max_completion_tokens: limit } : { max_tokens: limit }),
    response_format: json && responseFormat(json),
    stream: true as const,
    stream_options: { include_usage: true },
  };
}

const responseFormat = (schema: Record<string, Json>) =>
  Object.keys(schema).length === 0
    ? { type: "json_object" as const }
    : { type: "json_schema" as const, json_schema: { name: "answer", schema, strict: false } };

async function* read(chunks: AsyncIterable<OpenAI.ChatCompletionChunk>): AsyncGenerator<AgentEvent, Streamed> {
  const usage = { promptTokens: 0, completionTokens: 0, totalTokens: 0, unit: "tokens" } as const;
  const answer: Streamed = { text: "", finishReason: "", usage, calls: new Map() };
  for await (const chunk of chunks) {
    if (chunk.usage) answer.usage = usageOf(chunk.usage);
    const choice = chunk.choices[0];
    if (!choice) continue;
    if (choice.finish_reason) answer.finishReason = choice.finish_reason;
    for (const part of choice.delta.tool_calls ?? []) addToolCall(answer.calls, part);
    if (!choice.delta.content) continue;
    answer.text += choice.delta.content;
    yield { type: "token", text: choice.delta.content };
  }
  if (answer.finishReason === "") {
    throw new AppError("model_failed", "The model's stream ended before the answer was complete.", { retryable: true });
  }
  for (const call of answer.calls.values()) yield { type: "tool_call", ...call };
  return answer;
}

const usageOf = (usage: OpenAI.CompletionUsage): ChatAnswer["usage"] => ({
  promptTokens: usage.prompt_tokens,
  completionTokens: usage.completion_tokens,
  totalTokens: usage.total_tokens,
  unit: "tokens",
});

function addToolCall(calls: Streamed["calls"], part: OpenAI.ChatCompletionChunk.Choice.Delta.ToolCall): void {
  const call = calls.get(part.index) ?? { id: "", name: "", arguments: "" };
  calls.set(part.index, {
    id: part.id ?? call.id,
    name: part.function?.name ?? call.name,
    arguments: call.arguments + (part.function?.arguments ?? ""),
  });
}

function finish({ text, finishReason, usage, calls }: Streamed, call: ChatCall, checkSchema: SchemaCheck): ChatAnswer {
  const json = call.responseSchema ? parseAnswer({ text, finishReason, schema: call.responseSchema }, checkSchema) : null;
  return { text, json, usage, finishReason, toolCalls: [...calls.values()] };
}

/** A model may answer differently when asked again, so an answer that does not fit can be retried. */
function parseAnswer(
  { text, finishReason, schema }: { text: string; finishReason: string; schema: Record<string, Json> },
  checkSchema: SchemaCheck,
): Json {
  const json = readJson(text);
  if (json === undefined) {
    const why = finishReason === "length" ? " It was cut at the token limit." : "";
    throw new AppError("model_failed", `Expected a JSON answer; the model wrote: ${text.slice(0, 200)}${why}`, { retryable: true });
  }
  const issues = checkSchema(schema, json);
  if (issues.length === 0) return json;
  throw new AppError("model_failed", `The model's answer does not fit the response schema: ${describeIssues(issues)}.`, {
    retryable: true,
    issues,
  });
}

/** Models like to wrap JSON in a code fence. */
function readJson(text: string): Json | undefined {
  const bare = /^\s*```(?:json)?\s*([\s\S]*?)\s*```\s*$/.exec(text)?.[1] ?? text;
  try {
    return parseJson(bare);
  } catch {
    return undefined;
  }
}
