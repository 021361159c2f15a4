import { unlessOver } from "./control-run.ts";
import type { RunsDeps } from "./deps.ts";
import { createJournalWriter } from "./journal/writer.ts";
import { createCallLimits, type CallLimits } from "./limits/index.ts";
import { createLocalDispatch } from "./local-dispatch.ts";
import { runRoutes } from "./routes.ts";
import type { Runs } from "./runs.ts";
import { createExecutors } from "./steps/index.ts";
import { createUseCases } from "./use-cases.ts";
import type { WorkerDeps } from "./worker/deps.ts";
import { HeldRuns } from "./worker/held-runs.ts";
import { Reconciler } from "./worker/reconciler.ts";
import { DEFAULT_SETTINGS } from "./worker/settings.ts";
import { Retention } from "./worker/retention.ts";
import { Worker } from "./worker/worker.ts";

export { createHookAddresses } from "./hook-address.ts";
export type { RunsDeps } from "./deps.ts";
export type { Executors } from "./ports.ts";
export type { Runs } from "./runs.ts";

export function createRuns(deps: RunsDeps): Runs {
  const { drives = true, observer = {}, log } = deps;
  const settings = { ...DEFAULT_SETTINGS, ...deps.settings };
  const dispatch = deps.dispatch ?? createLocalDispatch(log);
  const writer = createJournalWriter({ connectWorker: deps.connectWorker, log, ...(observer.onBatch && { onBatch: observer.onBatch }) });
  const steps = createExecutors(deps.executors, { ...deps, startRun: (request) => useCases.start(request) });
  const limits = createCallLimits(deps);
  const workerDeps: WorkerDeps = {
    ...deps,
    limits,
    dispatch,
    executors: steps.executors,
    writer,
    observer,
    settings,
    now: () => deps.now().getTime(),
    random: deps.random ?? Math.random,
  };
  const held = new HeldRuns(settings.maxLiveRuns);
  // Such a process leaves every run in the table.
  if (!drives) held.close();
  const worker = new Worker(workerDeps, held, {
    onRoom: () => reconciler.claimSoon(),
    wake: (runId) => dispatch.wake(runId),
    stopChild: (child) => unlessOver(useCases.cancel(child)),
  });
  const reconciler = new Reconciler(workerDeps, worker);
  const useCases = createUseCases({ ...deps, observer, dispatch }, { worker, reconciler, leaseMs: settings.leaseMs });
  const retention = drives ? new Retention({ ...deps, retentionDays: deps.retentionDays }) : undefined;
  let stopping: Promise<void> | undefined;
  return {
    routes: runRoutes(useCases),
    start: async () => {
      if (drives) await reconciler.start();
      retention?.start();
    },
    stop: () => (stopping ??= stopAll({ reconciler, worker, retention, limits }).finally(() => steps.stop())),
    startRun: useCases.start,
    getRun: useCases.get,
    cancelRun: useCases.cancel,
    callHook: useCases.callHook,
    resumeStep: useCases.resumeStep,
    liveRunsByVersion: useCases.versions.live,
    countLiveRuns: useCases.versions.count,
    activeCount: () => held.count,
  };
}

type Running = { reconciler: Reconciler; worker: Worker; retention: Retention | undefined; limits: CallLimits };

async function stopAll({ reconciler, worker, retention, limits }: Running): Promise<void> {
  await retention?.stop();
  await reconciler.stopClaiming();
  await worker.stop();
  await limits.stop();
  await reconciler.stop();
}
