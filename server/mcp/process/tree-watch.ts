import type { AppError } from "#server/kernel/errors.ts";
import { overLimit, type Allowed, type Usage } from "./caps.ts";
import { readMarks, type Marks } from "./process-marks.ts";
import { processTable, type ProcessInfo } from "./process-table.ts";
import { treeMembers, type TreeRoot } from "./process-tree.ts";
import { bytesBelow, memoryOf, openFilesOf } from "./usage.ts";

export type Watched = {
  root: TreeRoot;
  allowed: Allowed;
  /** Its own, whose size counts. */
  folders: readonly string[];
  /** Called once. */
  onOver: (error: AppError) => void;
};

/**
 * Looks at all trees of this platform again and again: who belongs to them (so that a member is known as one before it
 * hides), and what they use. It is what caps work by where the system does not keep them.
 */
export type TreeWatch = {
  /** Until the returned function is called. */
  add(id: string, watched: Watched): () => void;
  /** What the tree used when it was last looked at. */
  usageOf(id: string): Usage | undefined;
  /** Of those that have been looked at. */
  all(): Usage[];
};

type Disk = { at: number; bytes: number; isLooking: boolean };
type Entry = Watched & { usage: Usage | undefined; cpu: CpuTime[]; disk: Disk; isOver: boolean };
type CpuTime = { at: number; cpuMs: number };

export type WatchTimings = { readonly watchMs: number; readonly cpuWindowMs: number; readonly diskLookMs: number };

export function createTreeWatch(timings: WatchTimings): TreeWatch {
  const entries = new Map<string, Entry>();
  let strangers = new Map<string, Marks>();
  let isRunning = false;

  const look = async (): Promise<void> => {
    const table = await processTable();
    if (!table) return;
    // What a process says of itself is read once; one that ended is forgotten.
    const known = new Map<string, Marks>();
    const marksOf = async (info: ProcessInfo): Promise<Marks> => {
      const key = `${info.pid}/${info.startTime}`;
      const marks = known.get(key) ?? strangers.get(key) ?? (await readMarks(info.pid));
      known.set(key, marks);
      return marks;
    };
    for (const entry of entries.values()) await measure(entry, await treeMembers(entry.root, table, marksOf), timings);
    strangers = known;
    for (const entry of entries.values()) judge(entry);
  };
  const next = (): void => {
    isRunning = entries.size > 0;
    if (isRunning)
      setTimeout(
        () =>
          void look()
            .catch(() => {})
            .finally(next),
        timings.watchMs,
      ).unref();
    else strangers.clear();
  };
  return {
    add(id, watched) {
      entries.set(id, { ...watched, usage: undefined, cpu: [], disk: { at: 0, bytes: 0, isLooking: false }, isOver: false });
      if (!isRunning) next();
      return () => void entries.delete(id);
    },
    usageOf: (id) => entries.get(id)?.usage,
    all: () => [...entries.values()].flatMap(({ usage }) => usage ?? []),
  };
}

async function measure(entry: Entry, members: readonly ProcessInfo[], timings: WatchTimings): Promise<void> {
  const at = performance.now();
  const memory = await Promise.all(members.map(({ pid }) => memoryOf(pid)));
  const files = await Promise.all(members.map(({ pid }) => openFilesOf(pid)));
  if (!entry.disk.isLooking && at - entry.disk.at >= timings.diskLookMs) void lookAtDisk(entry);
  const cpuMs = sum(members.map((info) => info.cpuMs));
  entry.usage = {
    memoryBytes: sum(memory),
    cpuMs,
    cpuPercent: cpuPercent(entry, { at, cpuMs }, timings.cpuWindowMs),
    processes: members.length,
    openFiles: sum(files),
    diskBytes: entry.disk.bytes,
  };
}

/** Takes as long as there are files; nothing waits for it. */
async function lookAtDisk(entry: Entry): Promise<void> {
  entry.disk.isLooking = true;
  const bytes = await bytesBelow(entry.folders).catch(() => 0);
  entry.disk = { at: performance.now(), bytes, isLooking: false };
}

/** Over the window; a member's end takes its time with it, which must not count against the others. */
function cpuPercent(entry: Entry, now: CpuTime, windowMs: number): number | undefined {
  const last = entry.cpu.at(-1);
  if (last && now.cpuMs < last.cpuMs) entry.cpu = entry.cpu.map((time) => ({ ...time, cpuMs: time.cpuMs - (last.cpuMs - now.cpuMs) }));
  entry.cpu.push(now);
  while (entry.cpu[1] !== undefined && now.at - entry.cpu[1].at >= windowMs) entry.cpu.shift();
  const [first] = entry.cpu;
  if (first === undefined || now.at - first.at < windowMs) return undefined;
  return ((now.cpuMs - first.cpuMs) / (now.at - first.at)) * 100;
}

function judge(entry: Entry): void {
  const error = entry.isOver || !entry.usage ? undefined : overLimit(entry.usage, entry.allowed);
  if (!error) return;
  entry.isOver = true;
  entry.onOver(error);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
