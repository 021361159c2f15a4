import { identify, processesWorkingIn, signalProcess, waitUntil } from "./process-identity.ts";

type Postmaster = {
  pid: number;
  cluster: string;
  /** Of our own child; for an orphan there is no such promise, and its absence from the process table has to do. */
  exited?: Promise<unknown>;
};

const FAST_MS = 20_000;
const IMMEDIATE_MS = 5_000;

/**
 * SIGINT (disconnect everybody, checkpoint, exit), then SIGQUIT (exit, recover on the next start), then SIGKILL. Resolves
 * only when neither the postmaster nor any backend works in the cluster's folder: backends lead sessions of their own, so
 * the process group alone does not tell.
 */
export async function stopPostmaster({ pid, cluster, exited }: Postmaster): Promise<void> {
  let ended = false;
  void exited?.then(() => (ended = true));
  const gone = async (): Promise<boolean> => (exited ? ended : (await identify(pid)) === undefined);
  signalProcess(pid, "SIGINT");
  if (!(await waitUntil(gone, FAST_MS))) {
    signalProcess(pid, "SIGQUIT");
    if (!(await waitUntil(gone, IMMEDIATE_MS))) {
      signalProcess(-pid, "SIGKILL");
      await waitUntil(gone, IMMEDIATE_MS);
    }
  }
  await clearBackends(cluster);
}

/** After a postmaster's death its backends leave by themselves; one that hangs is killed. */
export async function clearBackends(cluster: string): Promise<void> {
  const none = async (): Promise<boolean> => (await processesWorkingIn(cluster)).length === 0;
  if (await waitUntil(none, IMMEDIATE_MS)) return;
  for (const backend of await processesWorkingIn(cluster)) signalProcess(backend, "SIGKILL");
  await waitUntil(none, IMMEDIATE_MS);
}
