import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Server } from "node:net";
import type { Readable, Writable } from "node:stream";
import { AppError } from "#server/kernel/errors.ts";
import { MARKER_NAME } from "./process-marks.ts";

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type ServerChild = ChildProcess & { readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable };

export type Executed = { child: ServerChild; exited: Promise<Exit> };

type Execution = {
  cwd: string;
  env: Readonly<Record<string, string>>;
  marker: string;
  /** Takes the listening socket that the process hands over before it becomes its command; for a command that does. */
  onSocket?: ((listening: Server) => void) | undefined;
};

/** Starts a command in a process group of its own. */
export async function execute(
  { file, args }: { file: string; args: readonly string[] },
  { cwd, env, marker, onSocket }: Execution,
): Promise<Executed> {
  try {
    const child = spawn(file, args, {
      cwd,
      env: { ...env, [MARKER_NAME]: marker },
      stdio: onSocket ? ["pipe", "pipe", "pipe", "ipc"] : ["pipe", "pipe", "pipe"],
      detached: true,
      shell: false,
      windowsHide: true,
    });
    if (onSocket) takeSocket(child, onSocket);
    if (!isPiped(child)) throw new Error("it has no pipes");
    const exited = new Promise<Exit>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
    await once(child, "spawn");
    return { child, exited };
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    const code = isMissing ? "mcp_command_not_found" : "mcp_command_not_executable";
    throw new AppError(code, `${file} cannot be executed: ${reason(cause)}`, { cause });
  }
}

const isPiped = (child: ChildProcess): child is ServerChild => child.stdin !== null && child.stdout !== null && child.stderr !== null;

/** Its first message is all that is heard of a process: what it becomes has no channel to the platform. */
function takeSocket(child: ChildProcess, onSocket: (listening: Server) => void): void {
  child.once("message", (_message, handed) => {
    if (child.connected) child.disconnect();
    if (handed instanceof Server) onSocket(handed);
  });
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
