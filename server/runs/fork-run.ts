/*
 * A run that goes on from another one. What of the parent's journal still holds is copied into the new run's, together with its
 * row and audit line in one transaction; from then on it is a run like any other. Nothing of the parent changes. The copies are
 * encoded anew, since the codec binds each value to its row; calls that are made again have keys of their own, since keys come from
 * the id of the run.
 */
import type { Json } from "#contract/common.ts";
import type { EventBody, EventDraft, StepPlace } from "#contract/journal.ts";
import { isFinal, type Run } from "#contract/runs.ts";
import { forkEvents, type Forked } from "#engine/index.ts";
import { AppError } from "../kernel/errors.ts";
import type { UseCaseDeps } from "./deps.ts";
import { idempotencyOf, type KeyUses } from "./idempotent.ts";
import type { InputCheck } from "./input-check.ts";
import type { PlanSource, RunsObserver } from "./ports.ts";
import { readRun } from "./read-run.ts";
import { readParent, type Parent } from "./read-parent.ts";
import { orderFor } from "./run-order.ts";
import type { StartOrder } from "./start-batches.ts";
import { storeFork } from "./store/fork.pg.ts";

export type ForkDeps = UseCaseDeps & {
  hookUrlOf: (runId: string) => string;
  plans: PlanSource;
  observer: RunsObserver;
  keyUses: KeyUses;
  checkInput: InputCheck;
  /** The run lies in the table, and somebody should take it up. */
  onLeft: (run: StartOrder["run"]) => void;
};

type Asked = { tenantId: string; initiator: string; runId: string; idempotencyKey?: string | undefined };
export type RetryRequest = Asked & { from?: "failed" | "start" | undefined };
export type ForkRequest = Asked & { from: StepPlace; input?: Json | undefined; context?: Record<string, Json> | undefined };

/** Starts a new run with what this one was started with, from the start or from where it failed. */
export const retryRun =
  (deps: ForkDeps) =>
  async (request: RetryRequest): Promise<Run> => {
    const { runId } = request;
    const keyed = idempotencyOf(request, { retry: runId, from: request.from ?? null });
    const earlier = await deps.keyUses.find(request.tenantId, keyed);
    if (earlier) return earlier;
    const parent = await readParent(deps, { ...request, isWhole: request.from !== "start" });
    const { status } = parent.record;
    if (!isFinal(status)) {
      throw new AppError("run_transition_invalid", `Run ${runId} is ${status}; only a run that is over can be retried.`);
    }
    const from = request.from ?? (status === "succeeded" ? "start" : "failed");
    if (from === "failed" && status === "succeeded") {
      const remedy = "Retry it with `from: start`, or fork it from a step.";
      throw new AppError("run_transition_invalid", `Run ${runId} has succeeded; nothing of it has failed.`, { remedy });
    }
    const forked: Forked = from === "start" ? { kind: "events", events: [] } : await forkOf(deps, parent, {});
    return store(deps, { request, parent, keyed, events: eventsOf(forked, request), action: "run.retried", details: { from } });
  };

/** Starts a new run that executes a step again, and all that depends on it. */
export const forkRun =
  (deps: ForkDeps) =>
  async (request: ForkRequest): Promise<Run> => {
    const { runId, from, input, context } = request;
    const keyed = idempotencyOf(request, { fork: runId, from, input: input ?? null, context: context ?? null });
    const earlier = await deps.keyUses.find(request.tenantId, keyed);
    if (earlier) return earlier;
    const parent = await readParent(deps, { ...request, isWhole: true });
    const events = eventsOf(await forkOf(deps, parent, { from }), request);
    if (context) events.push(patchOf(request.initiator, deps.redactor.json(context)));
    const isInputOther = input !== undefined;
    const details = { from, isInputOther, contextKeys: Object.keys(context ?? {}) };
    return store(deps, { request, parent, keyed, events, ...(isInputOther && { input }), action: "run.forked", details });
  };

/** Also for runs that were moved from one version to another. */
async function forkOf({ plans }: ForkDeps, { record, created, events }: Parent, options: { from?: StepPlace }): Promise<Forked> {
  const { tenantId, workflowId } = record;
  const versions = events.flatMap((event) => (event.kind === "version_moved" ? [event.body.to] : []));
  const planOf = (version: number) => plans.loadPlan({ tenantId, workflowId, version });
  const others = await Promise.all(versions.map(async (version) => [version, await planOf(version)] as const));
  return forkEvents(await planOf(created.version), events, { ...options, plans: new Map(others) });
}

function eventsOf(forked: Forked, { runId, from }: RetryRequest | ForkRequest): EventDraft[] {
  if (forked.kind === "events") return forked.events;
  if (forked.kind === "approval_needed") {
    const { scope, nodeId } = forked.approval;
    const message = `A grant of ${nodeId} is valid in run ${runId} only, and steps that have finished come after that approval.`;
    const remedy = `Fork the run from ${nodeId}${scope === "" ? "" : ` in ${scope}`}: it is asked for again, and what follows it is executed again.`;
    throw new AppError("run_transition_invalid", message, { remedy });
  }
  const place = typeof from === "object" ? `${from.nodeId}${from.scope === "" ? "" : ` in ${from.scope}`}` : "";
  throw new AppError("fork_point_unknown", `Expected a step of run ${runId} that has begun; there is none called ${place}.`);
}

const patchOf = (by: string, patch: Record<string, Json>): EventDraft => ({
  kind: "context_patched",
  scope: "",
  nodeId: null,
  attempt: 0,
  body: { by, inboxId: "fork", patch },
});

type Stored = {
  request: Asked;
  parent: Parent;
  keyed: ReturnType<typeof idempotencyOf>;
  events: readonly EventDraft[];
  input?: Json;
  action: string;
  details: Record<string, Json>;
};

async function store(deps: ForkDeps, { request, parent, keyed, events, input, action, details }: Stored): Promise<Run> {
  const { tenantId, initiator } = request;
  const { record, created } = parent;
  const { id: parentRunId, workflowId, version, tags, mode } = record;
  const found = await deps.plans.loadForStart({ tenantId, workflowId, version });
  if (!found) throw new AppError("not_found", `The workflow ${workflowId} of run ${parentRunId} does not exist any more.`);
  const given = input ?? created.input;
  deps.checkInput(found, given);
  const { depth, editor } = created;
  const start = { tenantId, initiator, workflowId, version, input: given, tags, parentRunId, mode, depth, editor };
  const order = orderFor(deps, { request: start, found, idempotency: keyed, created: copiedBegin(created, events) });
  const audit = { ...order.audit, action, details: { ...order.audit.details, ...details, copied: events.length } };
  const run = await deps.database.asTenant(tenantId, async (tx) => {
    if (!(await storeFork(tx, deps.codec, { run: order.run, events }))) return undefined;
    await deps.audit.record(tx, audit);
    return readRun(tx, deps.codec, order.run.id);
  });
  if (!run) return deps.keyUses.taken(tenantId, keyed);
  deps.observer.onRunStarted?.({ workflowId });
  deps.onLeft(order.run);
  return run;
}

/** Events from before the parent was moved to another version begin with the version of then. */
function copiedBegin({ version }: EventBody<"run_created">, events: readonly EventDraft[]): Partial<EventBody<"run_created">> {
  if (events.length === 0) return {};
  return { copied: events.length, ...(events.some(({ kind }) => kind === "version_moved") && { version }) };
}
