import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import { pipeline, type Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import { allowList, tunnelTarget, urlTarget, written, type Target } from "./allow-list.ts";
import { passOn } from "./plain-request.ts";

/** `isListed`: refused by the egress guard, which has it on record. */
export type HostRefusal = { at: string; text: string; isListed: boolean };

type Deps = {
  hosts: readonly string[];
  /** Resolves names; rejects with `egress_denied` for what nobody may reach. */
  connect: (target: Target) => Promise<Duplex>;
  /** Called once for each host and port, as many as are noted. */
  onRefused: (refusal: HostRefusal) => void;
  /** Called at the end with how often it has refused. */
  onEnd: (refusals: number) => void;
  connectMs?: number;
  idleMs?: number;
};

export type HostProxy = {
  /** Answers on this socket, which it owns from now on. */
  serve: (listening: Server) => void;
  /** Ends the socket with every connection. */
  close: () => void;
};

type Refusal = { status: 400 | 403 | 502 | 504; text: string };
type Reach = (target: Target | undefined) => Promise<Duplex | Refusal>;

/** The way out of one sandbox: an HTTP proxy that opens tunnels (CONNECT) and passes plain requests on, to the hosts of a list only. */
export function createHostProxy(deps: Deps): HostProxy {
  const { idleMs = LIMITS.mcpHostIdleMs } = deps;
  const { reach, refusals } = reaching(deps);
  const clients = new Set<Socket>();
  const answering = new WeakSet<Socket>();
  let isClosed = false;

  const server = createServer({ maxHeaderSize: LIMITS.mcpHostHeadBytes, requestTimeout: 0 });
  server.maxConnections = LIMITS.mcpHostConnections;
  server.timeout = idleMs;
  // A socket that cannot be listened on leaves the sandbox without a way out.
  server.on("error", () => {});
  server.on("connection", (client) => {
    clients.add(client);
    client.once("close", () => clients.delete(client));
    client.on("error", () => {});
  });
  server.on("connect", (request, _socket, head) => {
    const { socket: client } = request;
    client.setTimeout(idleMs, () => client.destroy());
    // At once: nothing can be put back once the client has said that it ends.
    if (head.length > 0) client.unshift(head);
    tunnel(reach, request).catch(() => client.destroy());
  });
  server.on("request", (request, response) => {
    // The answer goes straight to the socket, so there can be only one.
    const { socket: client } = request;
    request.on("error", () => {});
    if (answering.has(client)) client.destroy();
    else forward(reach, request, response).catch(() => client.destroy());
    answering.add(client);
  });
  return {
    serve: (listening) => (isClosed ? void listening.close() : void server.listen(listening)),
    close: () => {
      if (isClosed) return;
      isClosed = true;
      deps.onEnd(refusals());
      server.close();
      for (const client of clients) client.destroy();
    },
  };
}

function reaching({ hosts, connect, onRefused, connectMs = LIMITS.mcpHostConnectMs }: Deps): { reach: Reach; refusals: () => number } {
  const isListed = allowList(hosts);
  const noted = new Set<string>();
  let refusals = 0;
  const refuse = (refusal: HostRefusal): Refusal => {
    refusals += 1;
    if (!noted.has(refusal.at) && noted.size < LIMITS.mcpRefusedHosts) {
      noted.add(refusal.at);
      onRefused(refusal);
    }
    return { status: 403, text: refusal.text };
  };
  const reach: Reach = async (target) => {
    if (target === undefined)
      return { status: 400, text: "Expected CONNECT to a host and port, or the full address of something at http://." };
    const at = written(target);
    if (!isListed(target))
      return refuse({ at, text: `${at} is not among the hosts that this server's sandbox lets it reach.`, isListed: false });
    try {
      const upstream = await within(connect(target), connectMs);
      return upstream ?? { status: 504, text: `${at} could not be reached in ${connectMs} ms.` };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (error instanceof AppError && error.code === "egress_denied") return refuse({ at, text, isListed: true });
      return { status: 502, text: `${at} could not be reached: ${text}` };
    }
  };
  return { reach, refusals: () => refusals };
}

/** Undefined when it takes longer; what is opened later is closed. */
async function within(opening: Promise<Duplex>, ms: number): Promise<Duplex | undefined> {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal, ref: false }).catch(() => undefined);
  try {
    const first = await Promise.race([opening, late]);
    const drop = (upstream: Duplex): void => void upstream.destroy();
    if (first === undefined) void opening.then(drop, () => {});
    return first;
  } finally {
    timer.abort();
  }
}

async function tunnel(reach: Reach, { url = "", socket: client }: IncomingMessage): Promise<void> {
  const upstream = await reach(tunnelTarget(url));
  if ("status" in upstream) return void client.end(asText(upstream));
  if (client.destroyed) return void upstream.destroy();
  client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
  const onEnd = (error: unknown): void => {
    if (error) for (const end of [client, upstream]) end.destroy();
  };
  pipeline(client, upstream, onEnd);
  pipeline(upstream, client, onEnd);
}

async function forward(reach: Reach, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { socket: client } = request;
  const url = URL.parse(request.url ?? "");
  const upstream = await reach(url === null ? undefined : urlTarget(url));
  if ("status" in upstream) return void response.writeHead(upstream.status, { ...PLAIN, connection: "close" }).end(`${upstream.text}\n`);
  if (client.destroyed || url === null) return void upstream.destroy();
  passOn(request, url, upstream);
  pipeline(upstream, client, (error) => {
    upstream.destroy();
    if (error) client.destroy();
  });
}

const PLAIN = { "content-type": "text/plain; charset=utf-8" };
const WORDS = { 400: "Bad Request", 403: "Forbidden", 502: "Bad Gateway", 504: "Gateway Timeout" };

function asText({ status, text }: Refusal): string {
  const body = `${text}\n`;
  const headers = [`Content-Type: ${PLAIN["content-type"]}`, `Content-Length: ${Buffer.byteLength(body)}`, "Connection: close"];
  return [`HTTP/1.1 ${status} ${WORDS[status]}`, ...headers, "", body].join("\r\n");
}
