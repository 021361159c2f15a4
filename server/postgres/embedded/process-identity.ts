import { execFile } from "node:child_process";
import { readFile, readdir, readlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/**
 * Names one process for ever: pids are used again, so the time the process began goes with it. On Linux that is the boot
 * id and the start in clock ticks, elsewhere what `ps` prints.
 */
export type ProcessIdentity = { pid: number; started: string };

const run = promisify(execFile);

/** Undefined when no such process lives (a zombie does not live). */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const started = process.platform === "linux" ? await startedLinux(pid) : await startedElsewhere(pid);
  return started === undefined ? undefined : { pid, started };
}

/** Whether exactly this process, not a later one with its pid, still lives. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identify(identity.pid);
  return now?.started === identity.started;
}

async function startedLinux(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is the command in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${boot.trim()}:${fields[19]}`;
}

async function startedElsewhere(pid: number): Promise<string | undefined> {
  const { stdout } = await run("ps", ["-o", "lstart=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return stdout.trim() === "" ? undefined : stdout.trim();
}

/**
 * The processes whose working directory is `folder`: a postmaster and all its children, wherever they were re-parented to.
 * Empty on systems without /proc, where a backend's own watch over its postmaster has to do.
 */
export async function processesWorkingIn(folder: string): Promise<number[]> {
  const entries = await readdir("/proc").catch(() => []);
  const pids = entries.filter((entry) => /^\d+$/.test(entry)).map(Number);
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => undefined)));
  return pids.filter((_, i) => folders[i] === folder);
}

/** Sends a signal; false when the process is already gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Asks `done` until it says yes; false when `timeoutMs` pass first. */
export async function waitUntil(done: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  for (let pauseMs = 5; ; pauseMs = Math.min(100, pauseMs * 2)) {
    if (await done()) return true;
    if (performance.now() > end) return false;
    await sleep(pauseMs);
  }
}
