import { createApprovals } from "./approvals/create-approvals.ts";
import { answerRun } from "./answer-run.ts";
import { cancelRun, pauseRun, unpauseRun } from "./control-run.ts";
import type { RunsDeps } from "./deps.ts";
import { followRun } from "./follow-run.ts";
import type { UseCases } from "./routes.ts";
import { getContext, getRun, listRuns, readJournal } from "./show-runs.ts";
import { createStartBatches } from "./start-batches.ts";
import { patchContext } from "./patch-context.ts";
import { callHook, signalRun } from "./signal-run.ts";
import { startRun } from "./start-run.ts";
import { listLiveRuns, moveRuns } from "./versions/move-runs.ts";
import type { Reconciler } from "./worker/reconciler.ts";
import type { Worker } from "./worker/worker.ts";

type Deps = RunsDeps & Required<Pick<RunsDeps, "observer" | "dispatch">>;
type Driving = { worker: Worker; reconciler: Reconciler; leaseMs: number };

export function createUseCases(deps: Deps, { worker, reconciler, leaseMs }: Driving): UseCases {
  const { codec, dispatch, instanceId: owner } = deps;
  const body = codec.encode({ owner }, { tenantId: "", row: "run_claimed", confidential: false });
  const start = createStartBatches({
    ...deps,
    held: worker.held,
    claimant: { owner, leaseMs, body },
    onClaimed: (run) => worker.adopt(run),
    onLeft: ({ tenantId, id, workflowId }) => {
      reconciler.expectMore();
      dispatch.due(1);
      deps.live.publish(tenantId, { type: "run", runId: id, workflowId, status: "queued", seq: 1 });
    },
  });
  const wake = (runId: string): void => dispatch.wake(runId);
  return {
    start: startRun({ ...deps, start }),
    cancel: cancelRun({ ...deps, wake }),
    pause: pauseRun({ ...deps, wake }),
    unpause: unpauseRun({ ...deps, wake }),
    answer: answerRun({ ...deps, wake }),
    signal: signalRun({ ...deps, wake }),
    callHook: callHook({ ...deps, wake }),
    approvals: createApprovals({ ...deps, wake }),
    versions: { list: listLiveRuns({ ...deps, wake }), move: moveRuns({ ...deps, wake }) },
    get: getRun(deps),
    list: listRuns(deps),
    journal: readJournal(deps),
    follow: followRun(deps),
    context: getContext(deps),
    patchContext: patchContext({ ...deps, wake }),
  };
}
