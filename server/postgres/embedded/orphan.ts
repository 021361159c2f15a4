import { readFile, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Log } from "../../kernel/log.ts";
import type { ClusterPlace } from "./cluster-place.ts";
import { isAlive, processesWorkingIn, type ProcessIdentity } from "./process-identity.ts";
import { clearBackends, stopPostmaster } from "./stop.ts";

const Postmaster = z.object({ pid: z.number().int().positive(), started: z.string(), cluster: z.string() });

/** Written as soon as the server's process exists, so that a platform killed the next moment still leaves its name. */
export async function recordPostmaster(place: ClusterPlace, identity: ProcessIdentity): Promise<void> {
  await writeFile(recordPath(place), `${JSON.stringify({ ...identity, cluster: place.cluster })}\n`);
}

export async function forgetPostmaster(place: ClusterPlace): Promise<void> {
  await rm(recordPath(place), { force: true });
}

/**
 * Ends the server that a killed platform left behind, and removes its pid file when nobody owns it any more: PostgreSQL
 * would otherwise take any process that got the same pid for a living server. The caller holds the data dir's lock, so
 * whatever works in the cluster's folder is an orphan.
 */
export async function endOrphan(place: ClusterPlace, log: Log): Promise<void> {
  const cluster = await realpath(place.cluster).catch(() => undefined);
  if (cluster === undefined) return;
  const pid = (await recordedOrphan(place)) ?? (await strayPostmaster(cluster));
  if (pid !== undefined) {
    log.warn("stopping a PostgreSQL that an earlier process left running", { pid, cluster });
    await stopPostmaster({ pid, cluster });
  }
  await clearBackends(cluster);
  await rm(join(cluster, "postmaster.pid"), { force: true });
  await forgetPostmaster(place);
}

async function recordedOrphan(place: ClusterPlace): Promise<number | undefined> {
  const text = await readFile(recordPath(place), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const record = Postmaster.safeParse(safeJson(text));
  if (!record.success || record.data.cluster !== place.cluster) return undefined;
  return (await isAlive(record.data)) ? record.data.pid : undefined;
}

/** The process that the server's own pid file names, if it works in this cluster's folder. */
async function strayPostmaster(cluster: string): Promise<number | undefined> {
  const text = await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "");
  const pid = Number(text.split("\n")[0]);
  return (await processesWorkingIn(cluster)).find((candidate) => candidate === pid);
}

const recordPath = (place: ClusterPlace): string => join(place.home, "postmaster.json");

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
