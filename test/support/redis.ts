import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { eventually } from "./eventually.ts";
import { freePort } from "./platform.ts";

/** A real redis-server of the test's own: a process that can be stopped, killed, emptied and filled. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  #child: ChildProcess | undefined;

  private constructor(port: number, folder: string) {
    this.port = port;
    this.#folder = folder;
  }

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), await mkdtemp(join(tmpdir(), "auterity-redis-")));
    await server.up();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/0`;
  }

  /** Starts it, empty, on the port that it had before. */
  async up(): Promise<void> {
    const options = ["--port", String(this.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", this.#folder];
    const child = spawn("redis-server", options, { stdio: "ignore" });
    this.#child = child;
    const failed = once(child, "error").then(([error]) => {
      throw new Error("redis-server is missing. Install it (Debian: apt-get install redis-server).", { cause: error });
    });
    await Promise.race([eventually(() => accepts(this.port), Boolean), failed]);
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** From now on it answers nothing, but its connections stay. */
  hang(): void {
    this.#child?.kill("SIGSTOP");
  }
  goOn(): void {
    this.#child?.kill("SIGCONT");
  }

  /** One command, on a connection of its own. */
  async command(name: string, ...args: string[]): Promise<unknown> {
    const client = new Redis(this.url, { maxRetriesPerRequest: 1 });
    try {
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  }

  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const done = (ok: boolean) => (): void => {
      socket.destroy();
      resolve(ok);
    };
    socket.once("connect", done(true)).once("error", done(false));
  });
}
