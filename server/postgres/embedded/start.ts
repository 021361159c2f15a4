import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { AppError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { installedBinaries, reachableBinaries, type Binaries } from "./binaries.ts";
import { giveTo, placeCluster, type ClusterPlace } from "./cluster-place.ts";
import { followLog, serverSettings, spawnInitdb, spawnServer } from "./command.ts";
import { identify, waitUntil } from "./process-identity.ts";
import { endOrphan, recordPostmaster } from "./orphan.ts";
import { stopPostmaster } from "./stop.ts";

export type StartOptions = {
  dataDir: string;
  log: Log;
  /** Of the cluster's superuser `auterity_admin`; fixed when the cluster is made. */
  superuserPassword: string;
  /** Gives up starting. */
  signal?: AbortSignal;
  /** False only for throw-away clusters: a crash may lose data. */
  durable?: boolean;
  /** Where to go when PostgreSQL's account cannot reach the data dir. */
  sharedRoots?: readonly string[];
  /** The package's binaries; found by themselves unless given. */
  installed?: Binaries;
};

/** A running server, before anybody supervises it. */
export type Running = { pid: number; port: number; place: ClusterPlace; exited: Promise<Exit> };
export type Exit = { code: number | null; signal: NodeJS.Signals | null };

const START_TIMEOUT_MS = 60_000;

/** Makes the cluster if there is none, ends what an earlier platform process left running, and finds the binaries. */
export async function prepareCluster(options: StartOptions): Promise<{ place: ClusterPlace; binaries: Binaries }> {
  const place = await placeCluster(options);
  const binaries = await reachableBinaries(options.installed ?? (await installedBinaries()), place.account, place.home);
  await endOrphan(place, options.log);
  const version = await readFile(join(place.cluster, "PG_VERSION"), "utf8").catch(() => undefined);
  if (version === undefined) await createCluster(options, place, binaries);
  return { place, binaries };
}

/** Into a folder of another name first: a start that was cut off must not leave half a cluster under the right one. */
async function createCluster(options: StartOptions, place: ClusterPlace, binaries: Binaries): Promise<void> {
  const nursery = join(place.home, "new-cluster");
  await rm(nursery, { recursive: true, force: true });
  await mkdir(nursery, { mode: 0o700 });
  await giveTo(place.account, nursery);
  const passwordFile = join(nursery, "password");
  const cluster = join(nursery, "cluster");
  try {
    await writeFile(passwordFile, options.superuserPassword, { mode: 0o600 });
    await giveTo(place.account, passwordFile);
    const child = spawnInitdb({ binaries, account: place.account, cluster }, passwordFile, options.durable ?? true);
    const output = followLog(child, options.log);
    const { code } = await exitOf(child);
    if (code !== 0) throw new AppError("database_unavailable", `initdb failed: ${output.tail()}`);
    await rename(cluster, place.cluster);
  } finally {
    await rm(nursery, { recursive: true, force: true });
  }
}

/** Starts the server and waits until it takes connections. Tries another port when somebody was faster on this one. */
export async function launch(
  options: StartOptions,
  prepared: { place: ClusterPlace; binaries: Binaries },
  fixedPort?: number,
): Promise<Running> {
  const { place, binaries } = prepared;
  for (let attempt = 1; ; attempt += 1) {
    options.signal?.throwIfAborted();
    const port = fixedPort ?? (await freePort());
    const settings = serverSettings(port, options.durable ?? true);
    const child = spawnServer({ binaries, account: place.account, cluster: place.cluster }, settings);
    const output = followLog(child, options.log);
    const exited = exitOf(child);
    if (await becomesReady({ child, exited, place }, options.signal)) {
      const pid = child.pid ?? 0;
      return { pid, port, place, exited };
    }
    if (attempt >= 5 || (await isFree(port))) {
      throw new AppError("database_unavailable", `PostgreSQL did not start: ${output.tail()}`, {
        remedy: `Read the lines above; the database's files lie at ${place.cluster}.`,
      });
    }
  }
}

type Starting = { child: ChildProcess; exited: Promise<Exit>; place: ClusterPlace };
async function becomesReady({ child, exited, place }: Starting, signal?: AbortSignal): Promise<boolean> {
  const { pid } = child;
  if (pid === undefined) return false;
  const identity = await identify(pid);
  if (identity) await recordPostmaster(place, identity);
  let ended = false;
  void exited.then(() => (ended = true));
  const settled = await waitUntil(async () => ended || signal?.aborted === true || (await isReady(place.cluster, pid)), START_TIMEOUT_MS);
  if (settled && !ended && signal?.aborted !== true) return true;
  await stopPostmaster({ pid, cluster: place.cluster, exited });
  signal?.throwIfAborted();
  return false;
}

/** The server itself writes its pid on line 1 and its state on line 8. */
async function isReady(cluster: string, pid: number): Promise<boolean> {
  const lines = (await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
  return lines[0] === String(pid) && lines[7]?.trim() === "ready";
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once("error", () => resolve({ code: -1, signal: null }));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
}

async function freePort(): Promise<number> {
  return listenBriefly(0);
}

async function isFree(port: number): Promise<boolean> {
  return listenBriefly(port).then(
    () => true,
    () => false,
  );
}

function listenBriefly(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      const taken = typeof address === "object" && address ? address.port : port;
      server.close(() => resolve(taken));
    });
  });
}
