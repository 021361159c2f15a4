import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Small facts that must be the same at the next start, so that runs in flight find their agents again. */
export type DemoState = { urgencyPort?: number; factsToken?: string };

export function readState(dataDir: string): DemoState {
  try {
    return JSON.parse(readFileSync(join(dataDir, "demo", "state.json"), "utf8"));
  } catch {
    return {};
  }
}

export function writeState(dataDir: string, state: DemoState): void {
  mkdirSync(join(dataDir, "demo"), { recursive: true, mode: 0o700 });
  writeFileSync(join(dataDir, "demo", "state.json"), JSON.stringify(state), { mode: 0o600 });
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  return address.port;
}

/**
 * Starts an example agent in a process of its own and resolves when it says that it is ready. The agent's standard input is
 * a pipe that we hold: when this process goes away, however it goes, the agent sees the end and stops by itself.
 */
export async function startAgent(script: string, env: Record<string, string>): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", ...env },
  });
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`${script} ended with code ${String(code)} before it was ready.`);
  });
  await Promise.race([once(lines, "line"), ended]);
  // The race is won: its loser must not be reported when the agent stops later.
  ended.catch(() => undefined);
  child.stdout.resume();
  return child;
}

export async function stopAgent(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.stdin?.end();
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), 3_000);
  await ended;
  clearTimeout(force);
}
