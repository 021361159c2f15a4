import { readFile, readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** One line of the process table. `startTime` (clock ticks since boot) tells a process from a later one with the same id. */
export type ProcessInfo = { pid: number; ppid: number; group: number; startTime: string };

/** What a process tree is known by: its first process, and a line in the environment that all its members inherit. */
export type TreeRoot = { pid: number | null; startTime: string | null; marker: string };

export const MARKER_NAME = "AUTERITY_INSTANCE";

/** The processes of this machine, zombies left out; undefined where there is no /proc. */
export async function processTable(): Promise<ProcessInfo[] | undefined> {
  const entries = await readdir("/proc").catch(() => undefined);
  if (entries === undefined || !entries.includes("self")) return undefined;
  const found = await Promise.all(entries.filter((name) => /^\d+$/.test(name)).map(readProcess));
  return found.filter((info) => info !== undefined);
}

async function readProcess(pid: string): Promise<ProcessInfo | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The command's name, in parentheses, may itself hold spaces and parentheses.
  const [state, ppid, group, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const startTime = rest[16];
  if (state === "Z" || state === "X" || startTime === undefined) return undefined;
  return { pid: Number(pid), ppid: Number(ppid), group: Number(group), startTime };
}

/** When the process with this id started, if it can be told. */
export async function startTimeOf(pid: number): Promise<string | null> {
  return (await readProcess(String(pid)))?.startTime ?? null;
}

/**
 * The living members of a tree: descendants of the first process, its process group, and whoever carries the marker in its
 * environment, which a grandchild keeps through `setsid` and the death of its parents.
 */
export async function treeMembers(root: TreeRoot, table: readonly ProcessInfo[]): Promise<ProcessInfo[]> {
  const members = new Map<number, ProcessInfo>();
  const first = table.find((info) => info.pid === root.pid);
  const isOurs = root.startTime !== null && (first === undefined || first.startTime === root.startTime);
  if (isOurs) {
    for (const info of table) if (info.pid === root.pid || info.group === root.pid) members.set(info.pid, info);
  }
  // A parent can come after its child in the table; the list grows until nothing is added.
  for (let before = -1; before !== members.size;) {
    before = members.size;
    for (const info of table) if (members.has(info.ppid)) members.set(info.pid, info);
  }
  const others = table.filter((info) => !members.has(info.pid) && isYounger(info, root));
  const marked = await Promise.all(others.map(async (info) => ((await carriesMarker(info.pid, root.marker)) ? info : undefined)));
  for (const info of marked) if (info) members.set(info.pid, info);
  return [...members.values()];
}

/** Nobody inherits from a process that started later; this spares reading the environment of most of the machine. */
const isYounger = (info: ProcessInfo, root: TreeRoot): boolean =>
  root.startTime === null || Number(info.startTime) >= Number(root.startTime);

async function carriesMarker(pid: number, marker: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
  return `\0${environment}\0`.includes(`\0${MARKER_NAME}=${marker}\0`);
}

export type StopTimes = { termMs: number; killMs: number };

/**
 * Ends every member of a tree: SIGTERM, then SIGKILL until nothing is left. Resolves with what could not be ended, which
 * is nothing unless the system refuses. Elsewhere than on Linux only the process group is reached.
 */
export async function endTree(root: TreeRoot, { termMs, killMs }: StopTimes): Promise<ProcessInfo[]> {
  const afterTerm = await signalUntilGone(root, "SIGTERM", termMs);
  return afterTerm.length === 0 ? [] : signalUntilGone(root, "SIGKILL", killMs);
}

async function signalUntilGone(root: TreeRoot, signal: "SIGTERM" | "SIGKILL", forMs: number): Promise<ProcessInfo[]> {
  const deadline = performance.now() + forMs;
  const told = new Set<number>();
  for (let pauseMs = 5; ; pauseMs = Math.min(100, pauseMs * 2)) {
    const members = await census(root);
    if (members.length === 0) return [];
    // SIGTERM once is enough; SIGKILL again and again, as a tree may grow while it is being cut.
    for (const { pid } of members) {
      if (signal === "SIGKILL" || !told.has(pid)) send(pid, signal);
      told.add(pid);
    }
    if (performance.now() >= deadline) return census(root);
    await sleep(pauseMs);
  }
}

/** The living members of a tree, on any system. */
export async function census(root: TreeRoot): Promise<ProcessInfo[]> {
  const table = await processTable();
  if (table) return treeMembers(root, table);
  if (root.pid === null || !send(-root.pid, 0)) return [];
  return [{ pid: -root.pid, ppid: 0, group: root.pid, startTime: "" }];
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
