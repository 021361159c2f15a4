import { createHash, randomBytes } from "node:crypto";
import { chmod, chown, lstat, mkdir, readFile, readdir, realpath, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { accountFor, canReach, type Account } from "./account.ts";

/** Where one data dir's cluster lives: `home` holds the `cluster` folder, our notes about it, and copied binaries. */
export type ClusterPlace = { home: string; cluster: string; account: Account };

/** Named after the major version, whose files the next one cannot read. */
const CLUSTER = "cluster-18";
/** Tried in this order when PostgreSQL's account cannot reach the data dir. Fixed, so that TMPDIR does not move a database. */
const SHARED_ROOTS = ["/var/lib/auterity", "/var/tmp/auterity"] as const;

const Location = z.object({ home: z.string() });
const Owner = z.object({ dataDir: z.string() });

type Wanted = { dataDir: string; log: Log; sharedRoots?: readonly string[] };

/**
 * Finds or makes the place of `dataDir`'s cluster: inside it, or, when we are root and the data dir lies under a closed
 * home, at a shared root. A choice outside is recorded in the data dir, and the data dir's name in the place, so that neither a
 * later start nor a copied data dir takes the wrong database.
 */
export async function placeCluster({ dataDir, log, sharedRoots = SHARED_ROOTS }: Wanted): Promise<ClusterPlace> {
  const inside = join(dataDir, "postgres");
  await mkdir(inside, { recursive: true });
  const record = join(inside, "location.json");
  const recorded = Location.safeParse(parseJson(await readFile(record, "utf8").catch(() => "")));
  const home = recorded.success ? recorded.data.home : await chooseHome({ dataDir, log, sharedRoots }, inside);
  const cluster = join(home, CLUSTER);
  const account = await accountFor(cluster);
  if (!(await canReach(account, cluster))) {
    throw new AppError(
      "config_invalid",
      `The database at ${cluster} cannot be reached by the user that PostgreSQL runs as (uid ${account?.uid}).`,
      {
        remedy: "Open the folders above it for others to pass (chmod o+x).",
      },
    );
  }
  await refuseForeignCluster(cluster);
  if (home !== inside && !recorded.success) await writeFile(record, `${JSON.stringify({ home })}\n`);
  await claimHome(home, { dataDir, isInside: home === inside });
  return { home, cluster, account };
}

/** A normal user cannot open a cluster that was made by root for another account, or by another user. */
async function refuseForeignCluster(cluster: string): Promise<void> {
  const uid = process.getuid?.();
  const found = await stat(cluster).catch(() => undefined);
  if (found === undefined || uid === undefined || uid === 0 || found.uid === uid) return;
  throw new AppError("config_invalid", `The database at ${cluster} belongs to uid ${found.uid}, and this process is uid ${uid}.`, {
    remedy: "Start the platform as the user (or root) that started it first, or choose another AUTERITY_DATA_DIR.",
  });
}

async function chooseHome({ dataDir, log, sharedRoots = [] }: Wanted, inside: string): Promise<string> {
  const account = await accountFor(join(inside, CLUSTER));
  await chmod(inside, account === undefined ? 0o700 : 0o711);
  // A cluster that is there already is ours, even if its folder has been closed meanwhile: better an error than an empty database.
  const present = await stat(join(inside, CLUSTER)).catch(() => undefined);
  if (present || (await canReach(account, join(inside, CLUSTER)))) return inside;
  const name = createHash("sha256")
    .update(await realpath(dataDir))
    .digest("hex")
    .slice(0, 16);
  for (const root of sharedRoots) {
    // A new name each time: who removes a data dir wants an empty database, not the one that the old data dir had.
    const home = join(root, `${name}-${randomBytes(4).toString("hex")}`);
    if (!(await makeOwnFolder(root)) || !(await makeOwnFolder(home)) || !(await canReach(account, join(home, CLUSTER)))) continue;
    const older = (await readdir(root)).filter((entry) => entry.startsWith(`${name}-`) && !home.endsWith(entry));
    if (older.length > 0)
      log.warn("databases of an earlier data dir at this path lie unused", { paths: older.map((entry) => join(root, entry)) });
    return home;
  }
  throw new AppError(
    "config_invalid",
    `PostgreSQL runs as uid ${account?.uid}, which can reach neither ${inside} nor ${sharedRoots.join(" nor ")}.`,
    {
      remedy: "Choose an AUTERITY_DATA_DIR that other users may enter, start as a normal user, or set DATABASE_URL.",
    },
  );
}

/** False when the folder cannot be made, or somebody else could change what is in it. */
async function makeOwnFolder(path: string): Promise<boolean> {
  try {
    // Not recursive: both parents exist on every Linux, and some file systems answer a recursive mkdir by never ending.
    await mkdir(path, { mode: 0o711 }).catch(() => {});
    const found = await lstat(path);
    return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
  } catch {
    return false;
  }
}

/**
 * Notes whose place it is. Refuses one outside that belongs to another data dir which still exists: two copies of a data dir must not
 * share a database. One inside has been moved or copied together with its data dir.
 */
async function claimHome(home: string, { dataDir, isInside }: { dataDir: string; isInside: boolean }): Promise<void> {
  const note = join(home, "owner.json");
  const real = await realpath(dataDir);
  const owner = Owner.safeParse(parseJson(await readFile(note, "utf8").catch(() => "")));
  if (owner.success && owner.data.dataDir === real) return;
  if (!isInside && owner.success && (await stat(owner.data.dataDir).catch(() => undefined))) {
    throw new AppError(
      "data_dir_in_use",
      `The database at ${home} belongs to the data dir ${owner.data.dataDir}, of which ${real} seems to be a copy.`,
      {
        remedy: `Remove ${join(dataDir, "postgres", "location.json")} to begin with an empty database, and bring the data over with \`auterity backup\` and \`auterity restore\`.`,
      },
    );
  }
  await writeFile(note, `${JSON.stringify({ dataDir: real })}\n`);
}

/** Gives a file or folder to the account that PostgreSQL runs as. */
export async function giveTo(account: Account, path: string): Promise<void> {
  if (account !== undefined) await chown(path, account.uid, account.gid);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
