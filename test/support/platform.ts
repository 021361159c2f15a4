import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Client } from "#sdk/client.ts";
import { COMPILE_CACHE, ROOT } from "./source-files.ts";

export const TOKEN = "an-owner-token-for-tests";

/** The platform as users run it: a process of its own, with a data dir of its own, on a free port. */
export class PlatformProcess {
  readonly dataDir = mkdtempSync(join(tmpdir(), "auterity-platform-"));
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;
  #output = "";
  port = 0;

  constructor(env: Record<string, string> = {}) {
    chmodSync(this.dataDir, 0o711);
    this.#env = env;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
  get client(): Client {
    return createClient({ url: this.url, token: TOKEN });
  }
  get pid(): number {
    return this.#child?.pid ?? 0;
  }
  /** Standard output and error of all starts. */
  get output(): string {
    return this.#output;
  }

  /** Starts it and waits until it is ready. The port stays the same over starts. */
  async start(args: readonly string[] = ["--no-demo"]): Promise<void> {
    this.port ||= await freePort();
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", join(ROOT, "cli", "main.ts"), "start", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: process.env["HOME"] ?? "",
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        AUTERITY_DATA_DIR: this.dataDir,
        AUTERITY_PORT: String(this.port),
        AUTERITY_BOOTSTRAP_TOKEN: TOKEN,
        NODE_ENV: "test",
        ...this.#env,
      },
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data: Buffer) => (this.#output += data.toString()));
    while (!(await this.#isReady())) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`The platform did not start:\n${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Waits until the output has this in it. */
  async printed(pattern: RegExp): Promise<void> {
    for (let tries = 0; !pattern.test(this.#output); tries += 1) {
      if (tries > 800) throw new Error(`Expected ${String(pattern)} in the output:\n${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(1_000) })).ok;
    } catch {
      return false;
    }
  }

  /** Ends it as the system would (`SIGTERM`), or as a crash does (`SIGKILL`); answers its exit code. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
    return child.exitCode;
  }

  /** Stops it and removes what it leaves: only files. */
  async dispose(): Promise<void> {
    await this.end("SIGTERM");
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
