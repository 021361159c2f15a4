import { createHash, randomBytes } from "node:crypto";
import { link, mkdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../kernel/errors.ts";
import { identify, isAlive, type ProcessIdentity } from "./embedded/process-identity.ts";

const Holder = z.object({ pid: z.number().int().positive(), started: z.string() });

export type DataDirLock = { release(): Promise<void> };

/**
 * Makes the data dir if needed and takes it for this process, or throws `data_dir_in_use`.
 *
 * The lock is a file naming its holder by pid and start time: after a kill -9, or with the pid in use by another program,
 * it is stale. It appears with its content in one step (a link to a finished file). To replace a stale one a starter must
 * first hold the lock on exactly that content, a file of the same kind named by its hash; so of many starters one replaces
 * it, and who looked too early finds, when its turn comes, that the content has changed.
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  // As root, PostgreSQL's account has to pass through; what is secret in here has modes of its own.
  await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  const file = join(await realpath(dataDir), "instance.lock");
  await take(file);
  let releasing: Promise<void> | undefined;
  return { release: () => (releasing ??= rm(file, { force: true })) };
}

async function take(file: string): Promise<void> {
  const self = await identify(process.pid);
  const own = `${file}.${randomBytes(6).toString("hex")}`;
  // The random part tells two locks of one process apart.
  await writeFile(own, `${JSON.stringify({ ...self, nonce: randomBytes(6).toString("hex") })}\n`, { mode: 0o600 });
  try {
    while (!(await tryLink(own, file)) && !(await replaceStale(own, file)));
  } finally {
    await rm(own, { force: true });
  }
}

async function tryLink(own: string, file: string): Promise<boolean> {
  try {
    await link(own, file);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** True when `own` is now the lock; false when the lock changed meanwhile; throws `data_dir_in_use` when its holder lives. */
async function replaceStale(own: string, file: string): Promise<boolean> {
  const seen = await readFile(file, "utf8").catch(() => undefined);
  if (seen === undefined) return false;
  const holder = parseHolder(seen);
  if (holder && (await isAlive(holder))) throw inUse(file, holder);
  const turn = `${file}.${createHash("sha256").update(seen).digest("hex").slice(0, 12)}`;
  await take(turn);
  try {
    if ((await readFile(file, "utf8").catch(() => undefined)) !== seen) return false;
    await rename(own, file);
    return true;
  } finally {
    await rm(turn, { force: true });
  }
}

function inUse(file: string, holder: ProcessIdentity): AppError {
  return new AppError("data_dir_in_use", `Another instance (process ${holder.pid}) uses this data dir; its lock is ${file}.`);
}

function parseHolder(text: string): ProcessIdentity | undefined {
  try {
    return Holder.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
