import type { Json } from "#contract/common.ts";
import type { RunContext } from "#contract/runs.ts";
import { AppError } from "../kernel/errors.ts";
import type { PlanSource } from "./ports.ts";
import { readContext } from "./read-run.ts";
import { mustFind, speak, type SpeakDeps, type Speaker } from "./send-message.ts";

type Patch = Speaker & { set: Record<string, Json> };

/** Changes the context of a run that is not over; the run itself takes the change up. Answers with the context as it is now. */
export const patchContext =
  (deps: SpeakDeps & { plans: PlanSource }) =>
  async ({ tenantId, actor, runId, set }: Patch): Promise<RunContext> => {
    await deps.codec.prepare(tenantId);
    const context = await deps.database.asTenant(tenantId, async (tx) => {
      const record = await mustFind(tx, runId);
      const body = { by: actor, patch: deps.redactor.json(set) };
      const isSent = await speak(deps, tx, { record, kind: "context", body });
      if (!isSent) throw new AppError("run_transition_invalid", `Run ${runId} is over; its context does not change any more.`);
      const keys = Object.keys(set);
      await deps.audit.record(tx, { tenantId, actor, action: "run.context_patched", target: `run:${runId}`, details: { keys } });
      return readContext(tx, deps.codec, { record, plans: deps.plans });
    });
    deps.wake(runId);
    return context;
  };
