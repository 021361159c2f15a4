import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const EVERYTHING = join(ROOT, "node_modules/@modelcontextprotocol/server-everything/dist/index.js");
const LOOPBACK = join(ROOT, "test/support/mcp/loopback-listen.ts");
const MCP_PROXY = join(ROOT, "bench/peers/node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs");

export type Served = { url: string; stop(): Promise<void> };

const QUIET = ["--disable-warning=ExperimentalWarning"];

/** `server-everything` over Streamable HTTP, as it comes. */
export async function everythingOverHttp(): Promise<Served> {
  const port = await freePort();
  return served([...QUIET, "--import", LOOPBACK, EVERYTHING, "streamableHttp"], { port, path: "/mcp", env: { PORT: String(port) } });
}

/** The peer, in front of the same server over stdio. */
export async function mcpProxy(): Promise<Served> {
  const port = await freePort();
  const args = [
    MCP_PROXY,
    "--host",
    "127.0.0.1",
    "--port",
    String(port),
    "--server",
    "stream",
    "--",
    process.execPath,
    EVERYTHING,
    "stdio",
  ];
  return served(args, { port, path: "/mcp", env: {} });
}

export const TOKEN = "an-owner-token-for-the-benchmark";

/** The whole platform, as users start it, on a database of its own. */
export async function platform({ databaseUrl, dataDir }: { databaseUrl: string; dataDir: string }): Promise<Served> {
  const port = await freePort();
  const env = {
    DATABASE_URL: databaseUrl,
    AUTERITY_DATA_DIR: dataDir,
    AUTERITY_PORT: String(port),
    AUTERITY_BOOTSTRAP_TOKEN: TOKEN,
    AUTERITY_LOG_LEVEL: "error",
  };
  return served([join(ROOT, "bin/auterity.mjs"), "start", "--no-demo"], { port, path: "/readyz", env });
}

type Listening = { port: number; path: string; env: Record<string, string> };

async function served(args: readonly string[], { port, path, env }: Listening): Promise<Served> {
  const child = spawn(process.execPath, [...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
  });
  let said = "";
  child.stderr.on("data", (data: Buffer) => (said = `${said}${data.toString()}`.slice(-4_000)));
  const url = `http://127.0.0.1:${port}`;
  while (!(await answers(`${url}${path}`, path === "/readyz"))) {
    if (child.exitCode !== null) throw new Error(`${args.join(" ")} ended: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { url, stop: () => stop(child) };
}

async function answers(url: string, mustBeOk: boolean): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
  await response?.body?.cancel();
  return response !== undefined && (response.ok || !mustBeOk);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
