import { identify, processesWorkingIn, signalProcess, waitUntil } from "./process-identity.ts";

type Postmaster = {
  pid: number;
  cluster: string;
  /** Of our own child; for an orphan there is no such promise, and its absence from the process table has to do. */
  exited?: Promise<unknown>;
};

const STEPS = [
  { signal: "SIGINT", patienceMs: 20_000 },
  { signal: "SIGQUIT", patienceMs: 5_000 },
  { signal: "SIGKILL", patienceMs: 5_000 },
] as const;
const BACKENDS_MS = 5_000;

/**
 * SIGINT (disconnect everybody, checkpoint, exit), then SIGQUIT (exit, recover on the next start), then SIGKILL. Resolves
 * only when neither the postmaster nor any backend works in the cluster's folder: backends lead sessions of their own, so
 * the process group alone does not tell.
 */
export async function stopPostmaster({ pid, cluster, exited }: Postmaster): Promise<void> {
  let ended = false;
  void exited?.then(() => (ended = true));
  const gone = async (): Promise<boolean> => (exited ? ended : (await identify(pid)) === undefined);
  for (const { signal, patienceMs } of STEPS) {
    // Asked before each signal: a pid that is free may belong to somebody else a moment later.
    if (await gone()) break;
    signalProcess(pid, signal);
    await waitUntil(gone, patienceMs);
  }
  await clearBackends(cluster);
}

/** After a postmaster's death its backends leave by themselves; one that hangs is killed. */
export async function clearBackends(cluster: string): Promise<void> {
  const none = async (): Promise<boolean> => (await processesWorkingIn(cluster)).length === 0;
  if (await waitUntil(none, BACKENDS_MS)) return;
  for (const backend of await processesWorkingIn(cluster)) signalProcess(backend, "SIGKILL");
  await waitUntil(none, BACKENDS_MS);
}
