import type { JournalEvent } from "#contract/journal.ts";
import type { Json } from "#contract/common.ts";
import type { RunState } from "./types.ts";

type Final = Extract<JournalEvent, { kind: "run_succeeded" | "run_failed" | "run_cancelled" }>;

/** The run's last event. What had not ended by then is shown as cancelled. */
export function finishRun(state: RunState, event: Final): void {
  if (event.kind === "run_succeeded") {
    state.status = "succeeded";
    state.output = event.body.output;
  } else if (event.kind === "run_failed") {
    const { error, nodeId, scope } = event.body;
    state.status = "failed";
    state.error = { ...error, ...(nodeId === undefined ? {} : { nodeId }), ...(scope === undefined ? {} : { scope }) };
  } else {
    state.status = "cancelled";
  }
  for (const step of state.steps.values()) {
    if (step.endedAt !== undefined) continue;
    step.status = step.status === "pending" ? "skipped" : "cancelled";
    step.endedAt = event.at;
  }
  state.active.clear();
  state.idle.clear();
}

/** The context with the patch laid over it. Null removes a key. */
export function patchContext({ version, values }: RunState["context"], patch: { readonly [key: string]: Json }): RunState["context"] {
  const kept = Object.entries({ ...values, ...patch }).filter(([, value]) => value !== null);
  return { version: version + 1, values: Object.fromEntries(kept) };
}
