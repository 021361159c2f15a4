import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { AppError } from "#server/kernel/errors.ts";
import { MARKER_NAME } from "./process-marks.ts";

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type ServerChild = ChildProcessByStdio<Writable, Readable, Readable>;

export type Executed = { child: ServerChild; exited: Promise<Exit> };

/** Starts a command in a process group of its own. */
export async function execute(
  { file, args }: { file: string; args: readonly string[] },
  { cwd, env, marker }: { cwd: string; env: Readonly<Record<string, string>>; marker: string },
): Promise<Executed> {
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

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
