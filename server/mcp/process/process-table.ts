import { readFile, readdir } from "node:fs/promises";

/** One line of the process table. `startTime` (clock ticks since boot) tells a process from a later one with the same id. */
export type ProcessInfo = {
  pid: number;
  ppid: number;
  group: number;
  startTime: string;
  /** Time on a processor so far, of itself and of the children that it has waited for. */
  cpuMs: number;
};

/** Linux tells programs of a hundred ticks a second, on every machine. */
const MS_PER_TICK = 10;

/** The processes of this machine by id; undefined where there is no /proc. */
export async function processIds(): Promise<string[] | undefined> {
  const entries = await readdir("/proc").catch(() => undefined);
  return entries?.includes("self") ? entries.filter((name) => /^\d+$/.test(name)) : undefined;
}

/** The processes of this machine, zombies left out; undefined where there is no /proc. */
export async function processTable(): Promise<ProcessInfo[] | undefined> {
  const ids = await processIds();
  return ids && readProcesses(ids);
}

/** Those of them that still live. */
export async function readProcesses(ids: readonly string[]): Promise<ProcessInfo[]> {
  const found = await Promise.all(ids.map(readProcess));
  return found.filter((info) => info !== undefined);
}

async function readProcess(pid: string): Promise<ProcessInfo | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The command's name, in parentheses, may itself hold spaces and parentheses.
  const [state, ppid, group, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const startTime = rest[16];
  if (state === "Z" || state === "X" || startTime === undefined) return undefined;
  const ticks = rest.slice(8, 12).reduce((sum, part) => sum + Number(part), 0);
  return { pid: Number(pid), ppid: Number(ppid), group: Number(group), startTime, cpuMs: ticks * MS_PER_TICK };
}

/** When the process with this id started, if it can be told. */
export async function startTimeOf(pid: number): Promise<string | null> {
  return (await readProcess(String(pid)))?.startTime ?? null;
}
