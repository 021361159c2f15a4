import { link, mkdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../kernel/errors.ts";
import { identify, isAlive, type ProcessIdentity } from "./embedded/process-identity.ts";

const Holder = z.object({ pid: z.number().int().positive(), started: z.string() });

export type DataDirLock = { release(): Promise<void> };

/**
 * Makes the data dir if needed and takes it for this process, or throws `data_dir_in_use`. The lock is a file naming the
 * holder by pid and start time: after a kill -9, or with the pid in use by another program, it counts as free. It appears
 * with its content in one step (a link to a finished file), and a stale one is taken away by renaming, which only one of
 * several starters can do.
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  // As root, PostgreSQL's account has to pass through; what is secret in here has modes of its own.
  await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  const file = join(await realpath(dataDir), "instance.lock");
  const self = await identify(process.pid);
  const own = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  await writeFile(own, `${JSON.stringify(self)}\n`, { mode: 0o600 });
  try {
    while (!(await tryLink(own, file))) await removeStale(file);
  } finally {
    await rm(own, { force: true });
  }
  let releasing: Promise<void> | undefined;
  return { release: () => (releasing ??= rm(file, { force: true })) };
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

/** Returns when the lock is (probably) free; throws `data_dir_in_use` when its holder lives. */
async function removeStale(file: string): Promise<void> {
  const seen = await readFile(file, "utf8").catch(() => undefined);
  if (seen === undefined) return;
  const holder = parseHolder(seen);
  if (holder && (await isAlive(holder))) throw inUse(file, holder);
  const aside = `${file}.stale.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    await rename(file, aside);
  } catch {
    return; // Another starter was faster.
  }
  // It may have taken over between our look and our rename; then the lock is its, and goes back.
  if ((await readFile(aside, "utf8")) !== seen) await tryLink(aside, file);
  await rm(aside, { force: true });
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
