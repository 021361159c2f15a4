import type { Json } from "#contract/common.ts";
import type { StepHandle } from "#contract/journal.ts";
import type { Protocol } from "#contract/messages.ts";
import type { StepRef } from "#server/kernel/ports.ts";

/** One request to one agent. */
export type Envelope = {
  /** Correlates the request with its answer in the timeline. */
  readonly id: string;
  readonly tenantId: string;
  readonly environment: string;
  /** Name of the agent, or id of the model. */
  readonly to: string;
  readonly protocol: Protocol;
  /** What is asked for; its shape depends on the kind of agent, and the adapter checks it. */
  readonly content: Json;
  /** Equal over all attempts of one piece of work. */
  readonly idempotencyKey: string;
  /** Whether an agent whose memory may be gone can be asked a second time. */
  readonly repeatable: boolean;
  readonly ttlMs: number;
  readonly step?: StepRef;
  /** Of an earlier call with the same key: find that call again instead of making a new one. */
  readonly handle?: StepHandle;
};

/**
 * What an agent says while it works. `handle` must be stored before the next event is asked for: it is how a later
 * process finds this call again. `result` comes exactly once and last.
 */
export type AgentEvent =
  | { readonly type: "token"; readonly text: string }
  | { readonly type: "tool_call"; readonly id: string; readonly name: string; readonly arguments: string }
  | { readonly type: "message"; readonly content: Json }
  | { readonly type: "artifact"; readonly artifact: Json }
  | { readonly type: "handle"; readonly handle: StepHandle }
  | { readonly type: "result"; readonly output: Json };

/** One agent, whatever its kind. Implementations throw `AppError`s only. */
export interface AgentPort {
  /** Ends soon after `signal` aborts, and tells the agent to stop when its protocol can. */
  invoke(envelope: Envelope, signal: AbortSignal): AsyncIterable<AgentEvent>;
}
