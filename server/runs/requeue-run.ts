import type { Run } from "#contract/runs.ts";
import { AppError } from "../kernel/errors.ts";
import type { UseCaseDeps } from "./deps.ts";
import { readRun } from "./read-run.ts";
import { mustFind, type Speaker } from "./send-message.ts";
import { reviveRun } from "./store/dead-runs.pg.ts";

type Deps = UseCaseDeps & { /** A run has become due. */ due: () => void };

/** Lets workers take a dead run up again, where it was. */
export const requeueRun =
  (deps: Deps) =>
  async ({ tenantId, actor, runId }: Speaker): Promise<Run> => {
    await deps.codec.prepare(tenantId);
    const run = await deps.database.asTenant(tenantId, async (tx) => {
      const record = await mustFind(tx, runId);
      if (!record.dead || !(await reviveRun(tx, runId)))
        throw new AppError("run_transition_invalid", `Run ${runId} is ${record.status}; only a dead run can be requeued.`);
      const { reason, crashes } = record.dead;
      await deps.audit.record(tx, { tenantId, actor, action: "run.requeued", target: `run:${runId}`, details: { reason, crashes } });
      return readRun(tx, deps.codec, runId);
    });
    deps.due();
    return run;
  };
