import { createApprovals } from "./approvals/create-approvals.ts";
import { answerRun, resumeStep } from "./answer-run.ts";
import { cancelRuns, retryRuns } from "./bulk-runs.ts";
import { cancelRun, pauseRun, unpauseRun } from "./control-run.ts";
import { followRun } from "./follow-run.ts";
import { requeueRun } from "./requeue-run.ts";
import type { UseCases } from "./routes.ts";
import { getContext, getRun, listRuns, readJournal } from "./show-runs.ts";
import { patchContext } from "./patch-context.ts";
import { callHook, signalRun } from "./signal-run.ts";
import { createStarting, type Driving, type StartingDeps } from "./starting.ts";
import { createVersions } from "./versions/create-versions.ts";
import { awaitRun, awaitRuns } from "./wait-for-runs.ts";

export function createUseCases(deps: StartingDeps, driving: Driving): UseCases {
  const { dispatch } = deps;
  const wake = (runId: string): void => dispatch.wake(runId);
  const starting = createStarting(deps, driving);
  const answer = answerRun({ ...deps, wake });
  const get = getRun(deps);
  const cancel = cancelRun({ ...deps, wake });
  return {
    ...starting,
    cancel,
    cancelAll: cancelRuns({ ...deps, cancel }),
    retryAll: retryRuns({ ...deps, retry: starting.retry }),
    requeue: requeueRun({ ...deps, due: () => dispatch.due(1) }),
    awaitOne: awaitRun(deps),
    awaitAll: awaitRuns(deps),
    pause: pauseRun({ ...deps, wake }),
    unpause: unpauseRun({ ...deps, wake }),
    answer,
    resumeStep: resumeStep({ answer, get }),
    signal: signalRun({ ...deps, wake }),
    callHook: callHook({ ...deps, wake }),
    approvals: createApprovals({ ...deps, wake }),
    versions: createVersions({ ...deps, wake }),
    get,
    list: listRuns(deps),
    journal: readJournal(deps),
    follow: followRun(deps),
    context: getContext(deps),
    patchContext: patchContext({ ...deps, wake }),
  };
}
