import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "#server/kernel/errors.ts";
import { MARKER_NAME, census, endTree, startTimeOf, type TreeRoot } from "./process-tree.ts";
import type { Timings } from "../supervision/timings.ts";

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

type ServerChild = ChildProcessByStdio<Writable, Readable, Readable>;

export type ServerProcess = {
  readonly child: ServerChild;
  readonly pid: number;
  readonly startTime: string | null;
  /** Settles when the first process ends; others of its tree may live on until `stop`. */
  readonly exited: Promise<Exit>;
  /** Closes stdin, waits, then ends the whole tree. Resolves with how many processes could not be ended. A second call joins the first. */
  stop(): Promise<number>;
};

export type ProcessSpec = {
  /** The resolved executable. */
  file: string;
  args: readonly string[];
  /** All of the environment: nothing is inherited. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** Unique for this process; inherited by all it starts. */
  marker: string;
};

type StopTimings = Pick<Timings, "stopEofMs" | "stopTermMs" | "stopKillMs">;

/** Starts a server in a process group of its own. Throws `mcp_command_not_found` when the system cannot execute it. */
export async function spawnServer(spec: ProcessSpec, timings: StopTimings): Promise<ServerProcess> {
  const { child, exited } = await execute(spec);
  // A write to a process that has just ended is reported by its exit; unheard, it would end the platform.
  child.stdin.on("error", () => {});
  child.on("error", () => {});
  const pid = child.pid ?? 0;
  const root: TreeRoot = { pid, startTime: await startTimeOf(pid), marker: spec.marker };
  let stopping: Promise<number> | undefined;
  return {
    child,
    pid,
    startTime: root.startTime,
    exited,
    stop: () => (stopping ??= stopProcess({ child, exited, root, timings })),
  };
}

async function execute({ file, args, cwd, env, marker }: ProcessSpec): Promise<{ child: ServerChild; exited: Promise<Exit> }> {
  try {
    const child = spawn(file, args, {
      cwd,
      env: { ...env, [MARKER_NAME]: marker },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
      shell: false,
      windowsHide: true,
    });
    const exited = new Promise<Exit>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
    await once(child, "spawn");
    return { child, exited };
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    const code = isMissing ? "mcp_command_not_found" : "mcp_command_not_executable";
    throw new AppError(code, `${file} cannot be executed: ${reason(cause)}`, { cause });
  }
}

type Stopping = { child: ServerChild; exited: Promise<Exit>; root: TreeRoot; timings: StopTimings };

async function stopProcess({ child, exited, root, timings }: Stopping): Promise<number> {
  child.stdin.end();
  const grace = new AbortController();
  await Promise.race([exited, sleep(timings.stopEofMs, undefined, { signal: grace.signal, ref: false }).catch(() => {})]);
  grace.abort();
  const left = (await census(root)).length === 0 ? [] : await endTree(root, { termMs: timings.stopTermMs, killMs: timings.stopKillMs });
  // A survivor could hold the pipes open and with them the platform's event loop.
  child.stdin.destroy();
  child.stdout.destroy();
  child.stderr.destroy();
  return left.length;
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
