import { lstat, opendir, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

/** What one process uses; nothing when it has just ended. */
export async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "latin1").catch(() => "");
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
  return (kib("RssAnon") + kib("RssShmem")) * 1024;
}

export const openFilesOf = (pid: number): Promise<number> =>
  readdir(`/proc/${pid}/fd`).then(
    (names) => names.length,
    () => 0,
  );

/** Entries that are looked at; a folder with more counts as the first of them do. */
const MOST_ENTRIES = 100_000;

/** How much the files below these folders occupy. Links are not followed. */
export async function bytesBelow(folders: readonly string[]): Promise<number> {
  const open = [...folders];
  let bytes = 0;
  let entries = 0;
  for (let folder = open.pop(); folder !== undefined && entries < MOST_ENTRIES; folder = open.pop()) {
    const found = await opendir(folder).catch(() => undefined);
    if (!found) continue;
    for await (const entry of found) {
      entries += 1;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) open.push(path);
      else bytes += await occupied(path);
    }
  }
  return bytes;
}

const BLOCK_BYTES = 512;

/** A file with holes occupies less than its size. */
const occupied = (path: string): Promise<number> =>
  lstat(path).then(
    ({ blocks }) => blocks * BLOCK_BYTES,
    () => 0,
  );
