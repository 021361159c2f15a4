/* Events about the run as a whole. */
import type { Json } from "#contract/common.ts";
import type { EventBody, JournalEvent } from "#contract/journal.ts";
import { isFinalStatus, stepOf } from "./state.ts";
import { endStep } from "./step-end.ts";
import { dropWaiting } from "./stopping.ts";
import type { RunState, Scope } from "./types.ts";
import { beginUndoing } from "./undo.ts";
import { moveVersion } from "./move-version.ts";
import { takeSignal } from "./waits.ts";

export function applyToRun(state: RunState, event: JournalEvent): void {
  switch (event.kind) {
    case "run_created":
      beginRun(state, event.body);
      break;
    case "run_claimed":
      if (state.status === "queued") state.status = "running";
      break;
    case "cancel_requested":
      state.cancel ??= event.body.reason === undefined ? {} : { reason: event.body.reason };
      dropWaiting(state, undefined);
      break;
    case "force_requested":
      state.isForced = true;
      state.cancel ??= event.body.reason === undefined ? {} : { reason: event.body.reason };
      dropWaiting(state, undefined);
      break;
    case "run_paused":
      state.isPaused = true;
      break;
    case "run_resumed":
      state.isPaused = false;
      break;
    case "run_expired":
      expire(state, event.body);
      break;
    case "compensation_started":
      beginUndoing(state, event.body.steps);
      break;
    case "context_patched":
      state.context = patchContext(state.context, event.body.patch);
      break;
    case "signal_received":
      takeSignal(state, event.body.name, event.body.payload);
      break;
    case "version_moved":
      moveVersion(state, event.body);
      break;
    case "move_refused":
      break;
    case "run_succeeded":
    case "run_failed":
    case "run_cancelled":
      finishRun(state, event);
      break;
    default:
      throw new Error(`The event ${event.kind} must name a node.`);
  }
}

/** What the run is doing, seen from outside. */
export function liveStatus(state: RunState): RunState["status"] {
  if (isFinalStatus(state.status) || state.status === "queued") return state.status;
  if (state.undo) return "compensating";
  if (state.cancel) return "cancelling";
  if (state.isPaused) return "paused";
  return state.active.size === 0 && state.idle.size > 0 ? "waiting" : "running";
}

function beginRun(state: RunState, body: EventBody<"run_created">): void {
  state.workflowId = body.workflowId;
  state.version = body.version;
  state.input = body.input;
  state.initiator = body.initiator;
  state.parentStep = body.parentStep ?? null;
  state.depth = body.depth ?? 0;
  state.hookUrl = body.hookUrl ?? "";
  state.editor = body.editor ?? null;
  const { timeoutMs } = state.plan.definition;
  state.expiresAt = timeoutMs === undefined ? null : Date.parse(state.at) + timeoutMs;
  beginTop(state);
}

/** The start node needs no event of its own: it ends as the run is created, and its output is the input. */
function beginTop(state: RunState): void {
  const body = state.plan.bodies.get(null);
  if (!body) return;
  const top: Scope = { path: "", body, containerId: null, parent: null, ended: 0, calls: 0, closed: false };
  state.scopes.set("", top);
  if (state.editor?.only !== undefined) return beginOnly(state, top, state.editor.only);
  for (const node of body.entries) {
    const step = stepOf(state, "", node.id);
    step.startedAt = state.at;
    endStep(state, step, { status: "succeeded", output: state.input, handle: "success" });
  }
}

/** One node alone: the others have their pinned outputs, or none. */
function beginOnly(state: RunState, top: Scope, only: string): void {
  for (const { id, type } of top.body.nodes) {
    const step = stepOf(state, "", id);
    if (id === only) {
      step.status = "ready";
      state.active.add(step);
      continue;
    }
    const output = type === "start" ? state.input : state.editor?.pins?.[id];
    Object.assign(step, output === undefined ? { status: "skipped" } : { status: "succeeded", output }, { endedAt: state.at });
    top.ended += 1;
  }
}

function expire(state: RunState, { error }: EventBody<"run_expired">): void {
  const top = state.scopes.get("");
  if (!top || top.failure) return;
  top.failure = { ...error };
  dropWaiting(state, top);
}

type Final = Extract<JournalEvent, { kind: "run_succeeded" | "run_failed" | "run_cancelled" }>;

/** The run's last event. What had not ended by then is shown as cancelled. */
function finishRun(state: RunState, event: Final): void {
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
