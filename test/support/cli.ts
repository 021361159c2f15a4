import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { COMPILE_CACHE, ROOT } from "./source-files.ts";

export type CliResult = { code: number | null; stdout: string; stderr: string };

/**
 * Runs `auterity` with these arguments and nothing else of this process's environment than the paths; resolves when it has ended.
 * A command that follows something is interrupted after `interruptAfterMs`; its code is then null.
 */
export async function runCli(
  args: readonly string[],
  env: Record<string, string> = {},
  { interruptAfterMs }: { interruptAfterMs?: number } = {},
): Promise<CliResult> {
  const child = spawn(process.execPath, [join(ROOT, "cli", "main.ts"), ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: process.env["HOME"] ?? "",
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      NODE_ENV: "test",
      NO_COLOR: "1",
      ...env,
    },
  });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (part: Buffer) => out.push(part));
  child.stderr.on("data", (part: Buffer) => err.push(part));
  const interrupt = interruptAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGINT"), interruptAfterMs);
  await once(child, "close");
  clearTimeout(interrupt);
  return { code: child.exitCode, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}
