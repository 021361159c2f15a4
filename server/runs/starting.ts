import type { Dispatch } from "../kernel/ports.ts";
import type { RunsDeps } from "./deps.ts";
import { forkRun, retryRun, type ForkDeps } from "./fork-run.ts";
import { createKeyUses } from "./idempotent.ts";
import { createInputCheck } from "./input-check.ts";
import type { RunsObserver } from "./ports.ts";
import { createStartBatches } from "./start-batches.ts";
import { startRun } from "./start-run.ts";
import type { Reconciler } from "./worker/reconciler.ts";
import type { Worker } from "./worker/worker.ts";

export type StartingDeps = RunsDeps & { observer: RunsObserver; dispatch: Dispatch };
export type Driving = { worker: Worker; reconciler: Reconciler; leaseMs: number };

export type Starting = {
  start: ReturnType<typeof startRun>;
  retry: ReturnType<typeof retryRun>;
  fork: ReturnType<typeof forkRun>;
};

/** All that brings new runs about. */
export function createStarting(deps: StartingDeps, { worker, reconciler, leaseMs }: Driving): Starting {
  const { codec, dispatch, instanceId: owner } = deps;
  const body = codec.encode({ owner }, { tenantId: "", row: "run_claimed", confidential: false });
  const onLeft: ForkDeps["onLeft"] = ({ tenantId, id, workflowId }) => {
    reconciler.expectMore();
    dispatch.due(1);
    deps.live.publish(tenantId, { type: "run", runId: id, workflowId, status: "queued", seq: 1 });
  };
  const start = createStartBatches({
    ...deps,
    held: worker.held,
    isBacklogged: () => reconciler.mayHaveMore,
    claimant: { owner, leaseMs, body },
    onClaimed: (run) => worker.adopt(run),
    onLeft,
  });
  const starting = { ...deps, keyUses: createKeyUses(deps), checkInput: createInputCheck() };
  return {
    start: startRun({ ...starting, start }),
    retry: retryRun({ ...starting, onLeft }),
    fork: forkRun({ ...starting, onLeft }),
  };
}
