import { AppError } from "../../kernel/errors.ts";
import type { DeadRun } from "../store/claims.pg.ts";
import { giveUpRun } from "../store/dead-runs.pg.ts";
import type { ClaimedRun } from "../store/held-run.ts";
import { releaseRuns } from "../store/leases.pg.ts";
import type { WorkerDeps } from "./deps.ts";

/** Lets go of a run that could not be read, for a while or, after too many times in a row, until somebody requeues it. */
export const giveUp =
  (deps: WorkerDeps) =>
  async (run: ClaimedRun, error: unknown): Promise<void> => {
    const { database, instanceId: owner, settings, log, redactor } = deps;
    log.error("a run could not be read; it is left for later", { runId: run.id, error });
    const { loadAgainMs: waitMs, maxCrashes } = settings;
    // That the database is away says nothing about the run.
    if (error instanceof AppError && (error.code === "database_unavailable" || error.code === "unavailable")) {
      await releaseRuns(database, [run], { owner, waitMs });
      return;
    }
    const cause = redactor.text(error instanceof Error ? error.message : String(error));
    const reason = `It could not be read ${maxCrashes} times in a row, the last time by ${owner}: ${cause}`;
    if (await giveUpRun(database, run, { owner, waitMs, maxCrashes, reason })) sayDead(deps, { ...run, seq: 0, reason });
  };

export function sayDead({ live, log }: Pick<WorkerDeps, "live" | "log">, { id: runId, tenantId, workflowId, seq, reason }: DeadRun): void {
  log.error("a run is dead: it stops until somebody requeues it", { runId, tenantId, reason });
  live.publish(tenantId, { type: "run", runId, workflowId, status: "paused", seq });
}
