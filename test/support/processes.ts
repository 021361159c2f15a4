import { readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";

export type ProcessEntry = { pid: number; parent: number; started: string; command: string };

/** Every living process of this machine; zombies are dead. */
export async function processes(): Promise<ProcessEntry[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  return (await Promise.all(pids.map(readEntry))).filter((entry) => entry !== undefined);
}

/** The process and all its descendants. */
export async function familyOf(pid: number): Promise<ProcessEntry[]> {
  const all = await processes();
  const family = all.filter((entry) => entry.pid === pid);
  for (const member of family) family.push(...all.filter(({ parent }) => parent === member.pid));
  return family;
}

/** Those of them that still live; a new process with an old number is another one. */
export async function survivorsOf(family: readonly ProcessEntry[]): Promise<ProcessEntry[]> {
  const now = await processes();
  return family.filter(({ pid, started }) => now.some((entry) => entry.pid === pid && entry.started === started));
}

/** Processes that work in this folder, or were told of it, whoever their parent is. */
export async function processesAbout(folder: string): Promise<ProcessEntry[]> {
  const all = await processes();
  const about = await Promise.all(
    all.map(async ({ pid, command }) => {
      const cwd = await readlink(join("/proc", String(pid), "cwd")).catch(() => "");
      const environment = await readFile(join("/proc", String(pid), "environ"), "latin1").catch(() => "");
      return [cwd, environment, command].some((text) => text.includes(folder));
    }),
  );
  return all.filter((_, i) => about[i]);
}

async function readEntry(pid: string): Promise<ProcessEntry | undefined> {
  const stat = await readFile(join("/proc", pid, "stat"), "utf8").catch(() => "");
  // The command's name, in parentheses, may itself hold spaces and parentheses.
  const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (stat === "" || state === "Z" || state === "X") return undefined;
  const command = (await readFile(join("/proc", pid, "cmdline"), "latin1").catch(() => "")).replaceAll("\0", " ");
  return { pid: Number(pid), parent: Number(parent), started: rest[17] ?? "", command };
}
