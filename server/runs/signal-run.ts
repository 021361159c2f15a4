import type { Json } from "#contract/common.ts";
import type { Run } from "#contract/runs.ts";
import type { Plan } from "#engine/index.ts";
import { AppError } from "../kernel/errors.ts";
import type { PlanSource } from "./ports.ts";
import { readRun, runNotFound } from "./read-run.ts";
import { mustFind, speak, type SpeakDeps, type Speaker } from "./send-message.ts";
import { findRun } from "./store/runs.pg.ts";

type Deps = SpeakDeps & { plans: PlanSource };
type Signal = Speaker & { name: string; payload: Json };

/** Sends a signal. One that comes before its step waits is kept for it. Throws `signal_unknown` when no step can ever wait for it. */
export const signalRun =
  (deps: Deps) =>
  async ({ tenantId, actor, runId, name, payload }: Signal): Promise<Run> => {
    await deps.codec.prepare(tenantId);
    const run = await deps.database.asTenant(tenantId, async (tx) => {
      const record = await mustFind(tx, runId);
      const { workflowId, version } = record;
      checkName(await deps.plans.loadPlan({ tenantId, workflowId, version }), name);
      const body = { by: actor, name, payload: deps.redactor.json(payload) };
      const isSent = await speak(deps, tx, { record, kind: "signal", body });
      if (!isSent) throw new AppError("run_transition_invalid", `Run ${runId} is ${record.status}; it takes no signals any more.`);
      await deps.audit.record(tx, { tenantId, actor, action: "run.signalled", target: `run:${runId}`, details: { name } });
      return readRun(tx, deps.codec, runId);
    });
    deps.wake(runId);
    return run;
  };

/** Names that are computed when the run gets there cannot be known before. */
function checkName({ definition }: Plan, name: string): void {
  const names = definition.nodes.flatMap((node) => (node.type === "wait" && node.data.signal !== undefined ? [node.data.signal] : []));
  const isComputed = names.some((known) => known.startsWith("=") || known.includes("{{"));
  if (isComputed || names.includes(name)) return;
  const known = names.length === 0 ? "this workflow waits for none" : `it waits for ${names.join(", ")}`;
  throw new AppError("signal_unknown", `No step waits for the signal ${name}; ${known}.`);
}

export type HookCall = { tenantId: string; runId: string; nodeId: string; scope: string; payload: Json };

/** A call of a waiting step's hook; whoever calls has proved to know its address. */
export const callHook =
  (deps: Deps) =>
  async ({ tenantId, runId, nodeId, scope, payload }: HookCall): Promise<void> => {
    await deps.codec.prepare(tenantId);
    await deps.database.asTenant(tenantId, async (tx) => {
      const record = await findRun(tx, runId);
      if (!record) throw runNotFound(runId);
      const { workflowId, version } = record;
      const plan = await deps.plans.loadPlan({ tenantId, workflowId, version });
      if (!plan.hookIds.includes(nodeId)) throw new AppError("not_found", `Run ${runId} has no hook ${nodeId}.`);
      const body = { by: "hook", nodeId, scope, payload: deps.redactor.json(payload) };
      const isSent = await speak(deps, tx, { record, kind: "hook", body });
      if (!isSent) throw new AppError("run_transition_invalid", `Run ${runId} is ${record.status}; its hooks are closed.`);
      await deps.audit.record(tx, { tenantId, actor: "hook", action: "run.hook_called", target: `run:${runId}`, details: { nodeId } });
    });
    deps.wake(runId);
  };
