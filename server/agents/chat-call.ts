import { z } from "zod";
import { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";

const ChatMessage = z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string().max(LIMITS.bodyBytes) });
export type ChatMessage = z.infer<typeof ChatMessage>;

/** What is asked of a model: the input of an `openai_model` step, and what `/v1/chat/completions` is translated to. */
export const ChatCall = z.object({
  model: z.string().min(1).max(128),
  messages: z.array(ChatMessage).min(1).max(512),
  temperature: z.number().min(0).max(2).optional(),
  maxTokens: z.number().int().min(1).max(1_000_000).optional(),
  /** JSON Schema of the answer. `{}` asks for any JSON. */
  responseSchema: z.record(z.string(), Json).optional(),
});
export type ChatCall = z.infer<typeof ChatCall>;

/** What a model answers: the output of an `openai_model` step. */
export const ChatAnswer = z.object({
  text: z.string(),
  /** The parsed answer when a schema was given, else null. */
  json: Json,
  usage: z.object({
    promptTokens: z.number().int(),
    completionTokens: z.number().int(),
    totalTokens: z.number().int(),
    /** What was counted: real tokens, or words by a model that has no tokens. */
    unit: z.enum(["tokens", "words"]),
  }),
  finishReason: z.string(),
  toolCalls: z.array(z.object({ id: z.string(), name: z.string(), arguments: z.string() })),
});
export type ChatAnswer = z.infer<typeof ChatAnswer>;
