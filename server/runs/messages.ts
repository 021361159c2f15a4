/* What others can say to a run, as stored in its inbox. */
import { z } from "zod";
import { Json } from "#contract/common.ts";
import { Answer, StepError } from "#contract/journal.ts";

const Spoken = z.object({ by: z.string(), reason: z.string().optional() });
const Place = { scope: z.string(), nodeId: z.string() };

export const Messages = {
  cancel: Spoken,
  force: Spoken,
  pause: Spoken,
  unpause: z.object({ by: z.string() }),
  answer: z.object({
    by: z.string(),
    answer: Answer,
    nodeId: z.string().optional(),
    scope: z.string().optional(),
    output: Json.optional(),
    /** Only a step that waits for this; without it, a step that is named, or all that are in doubt. */
    code: z.string().optional(),
  }),
  context: z.object({ by: z.string(), patch: z.record(z.string(), Json) }),
  signal: z.object({ by: z.string(), name: z.string(), payload: Json }),
  hook: z.object({ by: z.string(), ...Place, payload: Json }),
  child: z.object({
    ...Place,
    childRunId: z.string(),
    status: z.enum(["succeeded", "failed", "cancelled"]),
    output: Json.optional(),
    error: StepError.optional(),
  }),
  decision: z.object({
    by: z.string(),
    ...Place,
    decision: z.enum(["approve", "reject"]),
    comment: z.string().optional(),
    arguments: Json.optional(),
  }),
  delegation: z.object({ by: z.string(), ...Place, to: z.string() }),
  move: z.object({ by: z.string(), from: z.number().int(), to: z.number().int(), nodes: z.record(z.string(), z.string()) }),
} as const;

export type MessageKind = keyof typeof Messages;
export type Message<K extends MessageKind> = z.infer<(typeof Messages)[K]>;
