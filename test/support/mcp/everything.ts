/** The published "everything" server over HTTP, in a process of its own, on loopback and a free port. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { HttpFixture } from "./modern-server.ts";
import { published } from "./platform.ts";

const LOOPBACK = fileURLToPath(new URL("loopback-listen.ts", import.meta.url));
const PATHS = { streamableHttp: "/mcp", sse: "/sse" } as const;

export async function everythingServer(transport: keyof typeof PATHS): Promise<HttpFixture> {
  const { command, args } = published("everything", transport);
  const child = spawn(command, ["--import", LOOPBACK, ...args], { env: { PORT: "0" }, stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  for await (const line of createInterface({ input: child.stderr })) {
    const port = /^listening on port (\d+)$/.exec(line)?.[1];
    if (port === undefined) continue;
    const close = async (): Promise<void> => {
      child.kill("SIGKILL");
      await exited;
    };
    child.stderr.resume();
    return { url: `http://127.0.0.1:${port}${PATHS[transport]}`, requests: [], close };
  }
  throw new Error("the everything server did not start");
}
