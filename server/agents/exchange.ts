import type { Json } from "#contract/common.ts";
import type { StepHandle } from "#contract/journal.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import type { Frame, FrameSink, Redactor } from "#server/kernel/ports.ts";
import { isWithinDepth } from "./agent.ts";
import type { AgentEvent, AgentPort, Envelope } from "./agent-port.ts";

/** Our side of every frame; the step that it belongs to is in the frame itself. */
const PLATFORM = "auterity";

export type ExchangeDeps = { frames: FrameSink; redactor: Redactor; now: () => Date };
type Exchange = { port: AgentPort; envelope: Envelope; signal: AbortSignal; method: string };

/**
 * Passes an agent's events on and records the exchange as frames: the request, one summary of all streamed tokens, every
 * message and artifact, and the answer or error. What the agent says is redacted first: it knows secrets that the one who
 * asked may not. The iterator throws `AppError`s only.
 */
export async function* exchange(
  { frames, redactor, now }: ExchangeDeps,
  { port, envelope, signal, method }: Exchange,
): AsyncGenerator<AgentEvent> {
  const began = now().getTime();
  const { tenantId, protocol, to, id: correlationId, step } = envelope;
  const frame = (kind: Frame["kind"], content: Json): void => {
    const isRequest = kind === "request";
    const route = isRequest ? ({ direction: "out", from: PLATFORM, to } as const) : ({ direction: "in", from: to, to: PLATFORM } as const);
    const latencyMs = kind === "response" || kind === "error" ? now().getTime() - began : undefined;
    frames.record({ tenantId, protocol, ...route, kind, method, correlationId, step, latencyMs, content });
  };
  const streamed = { tokens: 0, characters: 0 };
  frame("request", { content: envelope.content, idempotencyKey: envelope.idempotencyKey });
  try {
    for await (const said of port.invoke(envelope, signal)) {
      if (said.type === "result") requireShallow(said.output, to);
      const event = redacted(said, redactor);
      if (event.type === "token") {
        streamed.tokens += 1;
        streamed.characters += event.text.length;
      }
      if (event.type === "result" && streamed.tokens > 0) frame("chunk", { streamed });
      for (const [kind, content] of framesOf(event)) frame(kind, content);
      yield event;
    }
  } catch (thrown) {
    const error = toAppError(thrown);
    frame("error", { code: error.code, message: error.message, retryable: error.retryable, streamed });
    throw error;
  }
}

/** Handles stay as they are: they are sent back to the agent. */
function redacted(event: AgentEvent, redactor: Redactor): AgentEvent {
  if (event.type === "token") return { ...event, text: redactor.text(event.text) };
  if (event.type === "tool_call") return { ...event, arguments: redactor.text(event.arguments) };
  if (event.type === "message") return { ...event, content: redactor.json(event.content) };
  if (event.type === "artifact") return { ...event, artifact: redactor.json(event.artifact) };
  return event.type === "result" ? { ...event, output: redactor.json(event.output) } : event;
}

function framesOf(event: AgentEvent): [Frame["kind"], Json][] {
  if (event.type === "message") return [["notification", event.content]];
  if (event.type === "artifact") return [["chunk", event.artifact]];
  if (event.type === "handle") return [["notification", { handle: event.handle.kind, id: event.handle.id }]];
  if (event.type === "result") return [["response", event.output]];
  return [];
}

function requireShallow(output: Json, who: string): void {
  if (isWithinDepth(output, LIMITS.jsonDepth)) return;
  throw new AppError("agent_protocol_error", `${who} answered with JSON nested deeper than ${LIMITS.jsonDepth} levels.`);
}

/** Runs an exchange to its result. `saveHandle` is awaited before the agent is asked for more. */
export async function resultOf(events: AsyncIterable<AgentEvent>, saveHandle?: (handle: StepHandle) => Promise<void>): Promise<Json> {
  for await (const event of events) {
    if (event.type === "handle") await saveHandle?.(event.handle);
    if (event.type === "result") return event.output;
  }
  throw new AppError("agent_protocol_error", "The agent ended without a result.");
}
