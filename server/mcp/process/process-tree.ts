import { setTimeout as sleep } from "node:timers/promises";
import { groupMembers, killGroups } from "./control-groups.ts";
import { areAlike, marksOf, readMarks, type Marks } from "./process-marks.ts";
import { processIds, readProcesses, type ProcessInfo } from "./process-table.ts";

/** What a process tree is known by. */
export type TreeRoot = {
  /** Its first process. */
  pid: number | null;
  startTime: string | null;
  /** What all its members inherit: in their environment, and in their limits. */
  marker: string;
  /** Control groups that hold it, as folders. */
  groups?: readonly string[];
  /** Of the first process: the sandbox that it is. It ends with the last of its members. */
  isSandbox?: boolean;
  /** Members that have been seen, by process id: once one, always one, whatever it has become. */
  seen?: Map<number, string>;
};

type ReadMarks = (info: ProcessInfo) => Promise<Marks>;

/**
 * The living members of a tree: descendants of the first process, its process group, its control groups, who has been seen
 * as one, and whoever carries the mark, which a grandchild keeps through `setsid` and the death of its parents.
 */
export async function treeMembers(
  root: TreeRoot,
  table: readonly ProcessInfo[],
  read: ReadMarks = ({ pid }) => readMarks(pid),
): Promise<ProcessInfo[]> {
  const members = new Map<number, ProcessInfo>();
  const grouped = await groupMembers(root.groups ?? []);
  const first = table.find((info) => info.pid === root.pid);
  const isOurs = root.startTime !== null && (first === undefined || first.startTime === root.startTime);
  for (const info of table) {
    const isFirst = isOurs && (info.pid === root.pid || info.group === root.pid);
    if (isFirst || grouped.has(info.pid) || root.seen?.get(info.pid) === info.startTime) members.set(info.pid, info);
  }
  addDescendants(members, table);
  const others = table.filter((info) => !members.has(info.pid) && isYounger(info, root));
  const marks = marksOf(root.marker);
  const marked = await Promise.all(others.map(async (info) => (areAlike(await read(info), marks) ? info : undefined)));
  for (const info of marked) if (info) members.set(info.pid, info);
  addDescendants(members, table);
  for (const { pid, startTime } of members.values()) root.seen?.set(pid, startTime);
  if (root.seen !== undefined && root.seen.size > members.size + MOST_ENDED) forgetEnded(root.seen, members);
  return [...members.values()];
}

/** So many that have ended are remembered of a tree, however many it has had: another look at the table may be younger than this one. */
const MOST_ENDED = 1_000;

/** Who has been seen and lives is among the members. */
function forgetEnded(seen: Map<number, string>, members: ReadonlyMap<number, ProcessInfo>): void {
  for (const pid of seen.keys()) if (!members.has(pid)) seen.delete(pid);
}

/** A parent can come after its child in the table; the list grows until nothing is added. */
function addDescendants(members: Map<number, ProcessInfo>, table: readonly ProcessInfo[]): void {
  for (let before = -1; before !== members.size;) {
    before = members.size;
    for (const info of table) if (members.has(info.ppid)) members.set(info.pid, info);
  }
}

/** Nobody inherits from a process that started later; this spares reading about most of the machine. */
const isYounger = (info: ProcessInfo, root: TreeRoot): boolean =>
  root.startTime === null || Number(info.startTime) >= Number(root.startTime);

export type StopTimes = { termMs: number; killMs: number };

/**
 * Ends every member of a tree: SIGTERM, then SIGKILL until nothing is left. Resolves with what could not be ended, which
 * is nothing unless the system refuses. Elsewhere than on Linux only the process group is reached.
 */
export async function endTree(root: TreeRoot, { termMs, killMs }: StopTimes): Promise<ProcessInfo[]> {
  const afterTerm = await signalUntilGone(root, "SIGTERM", termMs);
  return afterTerm.length === 0 ? [] : cutTree(root, killMs);
}

/** SIGKILL, again and again, as a tree may grow while it is being cut. */
export const cutTree = (root: TreeRoot, killMs: number): Promise<ProcessInfo[]> => signalUntilGone(root, "SIGKILL", killMs);

async function signalUntilGone(root: TreeRoot, signal: "SIGTERM" | "SIGKILL", forMs: number): Promise<ProcessInfo[]> {
  const deadline = performance.now() + forMs;
  const asked = new Set<number>();
  for (let pauseMs = 5; ; pauseMs = Math.min(100, pauseMs * 2)) {
    const members = await census(root);
    if (members.length === 0) return [];
    if (signal === "SIGKILL") await kill(root, members);
    else ask(toBeAsked(root, members), asked);
    if (performance.now() >= deadline) return census(root);
    await sleep(pauseMs);
  }
}

function ask(members: readonly ProcessInfo[], asked: Set<number>): void {
  for (const { pid } of members) if (!asked.has(pid)) send(pid, "SIGTERM");
  for (const { pid } of members) asked.add(pid);
}

/** A sandbox takes its processes with it at once, so it is not asked: it ends by itself after the last of them. */
function toBeAsked(root: TreeRoot, members: readonly ProcessInfo[]): readonly ProcessInfo[] {
  if (!root.isSandbox) return members;
  return members.filter(({ pid, ppid }) => pid !== root.pid && ppid !== root.pid);
}

/**
 * A group is killed at one stroke, so that a tree that forks cannot outrun it: a control group first, then the process
 * groups, which are all of sessions that members have opened. What is left is killed one by one.
 */
async function kill(root: TreeRoot, members: readonly ProcessInfo[]): Promise<void> {
  await killGroups(root.groups ?? []);
  const pids = new Set(members.map(({ pid }) => pid));
  for (const group of new Set(members.map((info) => info.group))) if (pids.has(group) || group === root.pid) send(-group, "SIGKILL");
  for (const { pid } of members) send(pid, "SIGKILL");
}

/** A machine that starts processes all the time must not be looked at for ever. */
const MOST_LOOKS = 20;

/**
 * The living members of a tree, on any system. A member that hands over to a new process and ends can do so between being listed and
 * being read: that there is none is known only when every process of a look was there at the look before.
 */
export async function census(root: TreeRoot): Promise<ProcessInfo[]> {
  let before = new Set<string>();
  for (let look = 1; ; look += 1) {
    const ids = await processIds();
    if (ids === undefined) return groupOf(root);
    const members = await treeMembers(root, await readProcesses(ids));
    if (members.length > 0 || ids.every((id) => before.has(id)) || look === MOST_LOOKS) return members;
    before = new Set(ids);
  }
}

/** Where there is no table of processes. */
function groupOf(root: TreeRoot): ProcessInfo[] {
  if (root.pid === null || !send(-root.pid, 0)) return [];
  return [{ pid: -root.pid, ppid: 0, group: root.pid, startTime: "", cpuMs: 0 }];
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
