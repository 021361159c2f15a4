/**
 * Servers that fail, each in one way, for tests of clients: `const failing = failingServers()`, then for example
 * `const url = await failing.http({ status: 401, headers: { "www-authenticate": 'Bearer realm="x"' } })`, and at the end
 * `await failing.close()`. Everything listens on 127.0.0.1, on a port of its own. Over stdio, `hostile-server.ts` takes what it
 * shall do wrong as arguments: `exits`, `silent`, `garbage`, `wrong-version`, and more. To see what a setup of your own makes of them,
 * start it: it prints an address for each of its ways, and serves them until it is interrupted.
 *
 *   node test/support/mcp/failing-servers.ts
 */
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createHttpsServer, type ServerOptions } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { makeAuthority, makeSelfSigned, type Identity } from "./certificates.ts";

/** What an HTTP server answers to whatever it is asked. */
export type HttpAnswer = { status?: number; headers?: Record<string, string>; body?: string };

export type FailingServers = {
  /** Answers every request like this. */
  http(answer: HttpAnswer): Promise<string>;
  /** Answers as the handler says; `requests` is what it was asked. */
  serve(handler: RequestListener): Promise<{ url: string; requests: IncomingMessage[] }>;
  /** TLS with this certificate, and in this way; whoever gets through is answered 200. */
  tls(identity: Identity, way?: ServerOptions): Promise<string>;
  /** Takes connections and never says a word. */
  mute(): Promise<string>;
  /** An address where nobody listens any more. */
  gone(): Promise<string>;
  /** Answers one byte at a time, with pauses. */
  slow(text: string, pauseMs: number): Promise<string>;
  close(): Promise<void>;
};

export function failingServers(): FailingServers {
  const open: { close(): Promise<void> }[] = [];
  const listen = async (server: Server): Promise<number> => {
    const sockets = new Set<{ destroy(): void }>();
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const close = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    };
    open.push({ close });
    return (server.address() as AddressInfo).port;
  };
  const serve: FailingServers["serve"] = async (handler) => {
    const requests: IncomingMessage[] = [];
    const port = await listen(
      createHttpServer((request, response) => {
        requests.push(request);
        handler(request, response);
      }),
    );
    return { url: `http://127.0.0.1:${port}/mcp`, requests };
  };
  return {
    serve,
    http: async ({ status = 200, headers = { "content-type": "text/plain" }, body = "" }) =>
      (await serve((_request, response) => void response.writeHead(status, headers).end(body))).url,
    async tls(identity, way = {}) {
      const server = createHttpsServer({ ...way, ...identity }, (_request, response) => void response.end("hello"));
      server.on("tlsClientError", () => {});
      return `https://localhost:${await listen(server)}/mcp`;
    },
    mute: async () => `http://127.0.0.1:${await listen(createTcpServer(() => {}))}/mcp`,
    async gone() {
      const server = createTcpServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      await new Promise((resolve) => server.close(resolve));
      return `http://127.0.0.1:${port}/mcp`;
    },
    async slow(text, pauseMs) {
      const { url } = await serve(async (_request, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        for (const character of text) {
          if (response.destroyed) return;
          response.write(character);
          await sleep(pauseMs);
        }
        response.end();
      });
      return url;
    },
    async close() {
      await Promise.all(open.splice(0).map((server) => server.close()));
    },
  };
}

const html = { "content-type": "text/html" };
const LONG_AGO = { notBefore: new Date("2020-01-01"), notAfter: new Date("2020-02-01") };

/** Ways to fail, by name; each answers the address where it does. */
export const WAYS_TO_FAIL: Readonly<Record<string, (servers: FailingServers) => Promise<string>>> = {
  unauthorized: (servers) => servers.http({ status: 401, headers: { "www-authenticate": 'Bearer realm="vault", scope="tools:read"' } }),
  forbidden: (servers) =>
    servers.http({ status: 403, headers: { "www-authenticate": 'Bearer error="insufficient_scope", scope="admin"' } }),
  nothing: (servers) => servers.http({ status: 404, headers: html, body: "nothing here" }),
  page: (servers) => servers.http({ headers: html, body: "<h1>It works</h1>" }),
  broken: (servers) => servers.http({ status: 502, headers: { ...html, server: "proxy" }, body: "bad gateway" }),
  redirect: (servers) => servers.http({ status: 307, headers: { location: "http://169.254.169.254/latest" } }),
  half: (servers) => servers.http({ headers: { "content-type": "application/json" }, body: "{" }),
  wordless: (servers) => servers.http({ status: 400 }),
  mute: (servers) => servers.mute(),
  gone: (servers) => servers.gone(),
  "self-signed": (servers) => servers.tls(makeSelfSigned("localhost")),
  expired: (servers) => servers.tls(makeAuthority().issue({ host: "localhost", ...LONG_AGO })),
};

if (process.argv[1]?.endsWith("failing-servers.ts")) {
  const servers = failingServers();
  for (const [name, way] of Object.entries(WAYS_TO_FAIL)) process.stdout.write(`${name.padEnd(14)}${await way(servers)}\n`);
}
