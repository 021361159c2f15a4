import { z } from "zod";
import { LIMITS } from "./limits.ts";
import { defineRoute } from "./route.ts";

/** The part of OpenAI's chat completions API that the platform serves. Unknown fields are accepted and ignored, as clients send many. */
export const ChatRequest = z.looseObject({
  model: z.string().min(1).max(128),
  messages: z
    .array(
      z.looseObject({
        role: z.enum(["system", "developer", "user", "assistant", "tool"]),
        content: z
          .union([z.string().max(LIMITS.bodyBytes), z.array(z.looseObject({ type: z.string(), text: z.string().optional() })).max(256)])
          .nullable(),
      }),
    )
    .min(1)
    .max(512),
  stream: z.boolean().optional(),
  response_format: z.looseObject({ type: z.string() }).optional(),
});
export type ChatRequest = z.infer<typeof ChatRequest>;

const Usage = z.object({ prompt_tokens: z.number().int(), completion_tokens: z.number().int(), total_tokens: z.number().int() });
export const ChatResponse = z.object({
  id: z.string(),
  object: z.literal("chat.completion"),
  created: z.number().int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.number().int(),
      message: z.object({ role: z.literal("assistant"), content: z.string() }),
      finish_reason: z.enum(["stop", "length"]),
    }),
  ),
  usage: Usage,
  /** Which build of the model answered; `auterity-extractive-…` is the built-in one, whose usage counts words. */
  system_fingerprint: z.string().optional(),
});
export type ChatResponse = z.infer<typeof ChatResponse>;

const tag = "openai";
/** Answers `text/event-stream` when `stream` is true, one JSON document otherwise. */
export const chatCompletions = defineRoute({
  name: "chatCompletions",
  method: "POST",
  path: "/v1/chat/completions",
  summary: "OpenAI-compatible chat completions",
  tag,
  permission: "agent:invoke",
  body: ChatRequest,
  response: ChatResponse,
  errors: ["model_unknown", "model_failed"],
  stream: "sse",
});
export const openaiModels = defineRoute({
  name: "openaiModels",
  method: "GET",
  path: "/v1/models",
  summary: "OpenAI-compatible list of models",
  tag,
  permission: "agent:read",
  response: z.object({
    object: z.literal("list"),
    data: z.array(z.object({ id: z.string(), object: z.literal("model"), created: z.number().int(), owned_by: z.string() })),
  }),
  errors: [],
});
