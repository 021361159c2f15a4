import { createHash } from "node:crypto";
import { chmod, chown, lstat, mkdir, readFile, realpath, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../kernel/errors.ts";
import { accountFor, canReach, type Account } from "./account.ts";

/** Where one data dir's cluster lives: `home` holds the `cluster` folder, our notes about it, and copied binaries. */
export type ClusterPlace = { home: string; cluster: string; account: Account };

const MAJOR = "18";
/** Tried in this order when PostgreSQL's account cannot reach the data dir. Fixed, so that TMPDIR does not move a database. */
const SHARED_ROOTS = ["/var/lib/auterity", "/var/tmp/auterity"] as const;

const Location = z.object({ home: z.string() });
const Owner = z.object({ dataDir: z.string() });

/**
 * Finds or makes the place of `dataDir`'s cluster: inside it, or, when we are root and the data dir lies under a closed
 * home, at a shared root. The choice is recorded in the data dir, and the data dir's name in the place, so that neither a
 * later start nor a copied data dir takes the wrong database.
 */
export async function placeCluster(dataDir: string, sharedRoots: readonly string[] = SHARED_ROOTS): Promise<ClusterPlace> {
  const inside = join(dataDir, "postgres");
  await mkdir(inside, { recursive: true });
  const record = join(dataDir, "postgres", "location.json");
  const recorded = Location.safeParse(parseJson(await readFile(record, "utf8").catch(() => "")));
  const home = recorded.success ? recorded.data.home : await chooseHome(dataDir, inside, sharedRoots);
  const cluster = join(home, `cluster-${MAJOR}`);
  const account = await accountFor(cluster);
  if (!(await canReach(account, cluster))) {
    throw new AppError(
      "config_invalid",
      `The database lies at ${home}, which the user that PostgreSQL runs as (uid ${account?.uid}) cannot reach.`,
      {
        remedy: `Open the folders above it (chmod o+x), or move ${cluster} and correct ${record}.`,
      },
    );
  }
  await refuseForeignCluster(cluster);
  await claimHome(home, dataDir);
  if (!recorded.success) await writeFile(record, `${JSON.stringify({ home })}\n`);
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

async function chooseHome(dataDir: string, inside: string, sharedRoots: readonly string[]): Promise<string> {
  const account = await accountFor(join(inside, `cluster-${MAJOR}`));
  await chmod(inside, account === undefined ? 0o700 : 0o711);
  if (await canReach(account, join(inside, "x"))) return inside;
  const name = createHash("sha256")
    .update(await realpath(dataDir))
    .digest("hex")
    .slice(0, 24);
  for (const root of sharedRoots) {
    if (await makeOwnFolder(root, 0o711)) {
      const home = join(root, name);
      if ((await makeOwnFolder(home, 0o711)) && (await canReach(account, join(home, "x")))) return home;
    }
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
async function makeOwnFolder(path: string, mode: number): Promise<boolean> {
  try {
    // Not recursive: both parents exist on every Linux, and some file systems answer a recursive mkdir by never ending.
    await mkdir(path, { mode }).catch(() => {});
    const found = await lstat(path);
    return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
  } catch {
    return false;
  }
}

/** Refuses a place that belongs to another data dir which still exists: two copies of a data dir must not share a database. */
async function claimHome(home: string, dataDir: string): Promise<void> {
  const note = join(home, "owner.json");
  const real = await realpath(dataDir);
  const owner = Owner.safeParse(parseJson(await readFile(note, "utf8").catch(() => "")));
  if (owner.success && owner.data.dataDir === real) return;
  if (owner.success && (await stat(join(owner.data.dataDir, "postgres", "location.json")).catch(() => undefined))) {
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
