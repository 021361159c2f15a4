/** A stdio MCP server whose tools try what a sandbox should stop, and say how that went. Run by tests in a process of its own. */
import { readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { connect } from "node:net";
import { createInterface } from "node:readline";

type Arguments = { path?: string; to?: string; host?: string; port?: number; url?: string };
type Message = { id?: string | number; method?: string; params?: { name?: string; arguments?: Arguments } };

const PROBES: Record<string, (given: Arguments) => unknown> = {
  read: ({ path = "" }) => readFileSync(path, "utf8").slice(0, 200),
  list: ({ path = "" }) => readdirSync(path),
  write: ({ path = "" }) => writeFileSync(path, "written"),
  /** Puts a link where something may have been. */
  link: ({ path = "", to = "" }) => rmSync(path, { recursive: true, force: true }) ?? symlinkSync(to, path),
  connect: ({ host = "127.0.0.1", port = 0 }) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port }, () => resolve(socket.destroy() && "connected"));
      socket.once("error", reject);
    }),
  fetch: async ({ url = "" }) => (await fetch(url)).text(),
  /** A plain request, where `fetch` opens a tunnel. */
  get: ({ url = "" }) =>
    new Promise((resolve, reject) => {
      get(url, async (response) => resolve(`${response.statusCode} ${(await response.toArray()).join("")}`)).once("error", reject);
    }),
  environment: () => process.env,
  self: () => ({ pid: process.pid, cwd: process.cwd() }),
};

const explained = (error: unknown): string =>
  error instanceof Error && error.cause instanceof Error ? `${String(error)}: ${error.cause.message}` : String(error);

const write = (message: object): void => void process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);

async function call({ name = "", arguments: given = {} }: NonNullable<Message["params"]>): Promise<object> {
  try {
    const text = JSON.stringify((await PROBES[name]?.(given)) ?? "done");
    return { content: [{ type: "text", text }] };
  } catch (error) {
    return { content: [{ type: "text", text: explained(error) }], isError: true };
  }
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, method, params }: Message = JSON.parse(line);
  if (id === undefined) return;
  if (method === "initialize") {
    const serverInfo = { name: "probe", version: "1.0.0" };
    return write({ id, result: { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo } });
  }
  if (method === "tools/list") {
    return write({ id, result: { tools: Object.keys(PROBES).map((name) => ({ name, inputSchema: { type: "object" } })) } });
  }
  if (method === "tools/call") return write({ id, result: await call(params ?? {}) });
  write({ id, error: { code: -32_601, message: "Method not found" } });
});
