import { once } from "node:events";
import { createServer as createHttpServer, request, type IncomingMessage, type RequestListener } from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import { allowList, tunnelTarget, urlTarget } from "./allow-list.ts";
import { createHostProxy, type HostProxy, type HostRefusal } from "./host-proxy.ts";

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
});

const portOf = (server: { address(): AddressInfo | string | null }): number => {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
};

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return portOf(server);
}

/** A web server that the proxy may connect to, by any name. */
async function web(listener: RequestListener): Promise<number> {
  const server = createHttpServer(listener);
  ending.push(() => server.close() && server.closeAllConnections());
  return listening(server);
}

type Options = Partial<Parameters<typeof createHostProxy>[0]>;
type Started = { port: number; proxy: HostProxy; refused: HostRefusal[]; ends: number[]; opened: Socket[] };

/** Every name leads to this machine. */
async function start(options: Options = {}): Promise<Started> {
  const refused: HostRefusal[] = [];
  const ends: number[] = [];
  const opened: Socket[] = [];
  const open = async ({ port }: { port: number }): Promise<Duplex> => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => {});
    opened.push(socket);
    await once(socket, "connect");
    return socket;
  };
  const onEnd = (refusals: number): void => void ends.push(refusals);
  const proxy = createHostProxy({ hosts: ["allowed.test"], connect: open, onRefused: (r) => refused.push(r), onEnd, ...options });
  ending.push(() => proxy.close());
  const socket = createServer();
  const port = await listening(socket);
  proxy.serve(socket);
  return { port, proxy, refused, ends, opened };
}

/** What comes back for this text, until the other side ends. */
async function say(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  ending.push(() => socket.destroy());
  socket.write(text);
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => parts.push(part));
  await once(socket, "close");
  return Buffer.concat(parts).toString();
}

/** A client that waits for what it hears. */
async function caller(port: number): Promise<{ socket: Socket; heard: () => string }> {
  const socket = connect({ port, host: "127.0.0.1" }).on("error", () => {});
  ending.push(() => socket.destroy());
  let text = "";
  socket.on("data", (part: Buffer) => (text += part.toString()));
  await once(socket, "connect");
  return { socket, heard: () => text };
}

const bodyOf = async (message: IncomingMessage): Promise<string> => Buffer.concat(await message.toArray()).toString();

describe("the proxy of a sandbox", () => {
  test("opens tunnels that carry anything, both ways, also after one side has ended", async () => {
    const server = createServer({ allowHalfOpen: true }, async (socket) => socket.end(`heard ${(await socket.toArray()).join("")}`));
    ending.push(() => server.close());
    const target = await listening(server);
    const { port } = await start({ hosts: [`allowed.test:${target}`] });
    const { socket, heard } = await caller(port);
    socket.end(`CONNECT allowed.test:${target} HTTP/1.1\r\nHost: allowed.test:${target}\r\n\r\nfirst words`);
    await once(socket, "close");
    expect(heard()).toBe("HTTP/1.1 200 Connection Established\r\n\r\nheard first words");
  });

  test("passes plain requests on: method, path, headers and body, but not what is meant for itself", async () => {
    const seen: object[] = [];
    const target = await web(async (incoming, response) => {
      seen.push({ method: incoming.method, url: incoming.url, headers: incoming.headers, body: await bodyOf(incoming) });
      response.writeHead(201, { "x-answer": "yes" }).end("made");
    });
    const { port } = await start({ hosts: [`allowed.test:${target}`] });
    const headers = { "x-mine": "1", "proxy-authorization": "Basic x", connection: "x-hop, keep-alive", "x-hop": "1", host: "other.test" };
    const sent = request({ port, host: "127.0.0.1", method: "POST", path: `http://allowed.test:${target}/a?b=c`, headers });
    sent.write("one ");
    sent.end("two");
    const [answer] = await once(sent, "response");
    expect(answer).toMatchObject({ statusCode: 201, headers: { "x-answer": "yes" } });
    expect(await bodyOf(answer)).toBe("made");
    const plain = request({ port, host: "127.0.0.1", path: `http://allowed.test:${target}` }).end();
    expect((await once(plain, "response"))[0]).toMatchObject({ statusCode: 201 });
    const common = { host: `allowed.test:${target}`, connection: "close" };
    expect(seen).toEqual([
      { method: "POST", url: "/a?b=c", headers: { ...common, "x-mine": "1", "transfer-encoding": "chunked" }, body: "one two" },
      { method: "GET", url: "/", headers: common, body: "" },
    ]);
  });

  test("refuses what is not on the list with 403 and says so; each once is noted, all are counted", async () => {
    const { port, refused, ends, proxy, opened } = await start();
    const text = "other.test:443 is not among the hosts that this server's sandbox lets it reach.";
    for (let i = 0; i < 3; i += 1) {
      expect(await say(port, "CONNECT other.test:443 HTTP/1.1\r\n\r\n")).toMatch(
        new RegExp(`^HTTP/1.1 403 Forbidden\r\n[^]*\r\n\r\n${text}\n$`),
      );
    }
    const plain = await say(port, "GET http://other.test/x HTTP/1.1\r\nHost: allowed.test\r\n\r\n");
    expect(plain).toMatch(/^HTTP\/1.1 403 Forbidden\r\n[^]*other.test:80 is not among/);
    expect(refused).toEqual([{ at: "other.test:443", text, isListed: false }, expect.objectContaining({ at: "other.test:80" })]);
    proxy.close();
    expect(ends).toEqual([4]);
    expect(opened).toEqual([]);
  });

  test("no more than so many hosts are noted", async () => {
    const { port, refused } = await start();
    for (let i = 0; i <= LIMITS.mcpRefusedHosts; i += 1) await say(port, `CONNECT h${i}.test:443 HTTP/1.1\r\n\r\n`);
    expect(refused).toHaveLength(LIMITS.mcpRefusedHosts);
  });

  test.each(["GET /path", "GET https://allowed.test/", "CONNECT allowed.test", "CONNECT allowed.test:x", "CONNECT a@allowed.test:443"])(
    "%s is no request for a proxy",
    async (line) => {
      const { port, opened } = await start();
      expect(await say(port, `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /);
      expect(opened).toEqual([]);
    },
  );

  test("what the egress guard denies is refused and noted; what cannot be reached is said", async () => {
    const denied = await start({ connect: () => Promise.reject(new AppError("egress_denied", "It leads inside.")) });
    expect(await say(denied.port, "CONNECT allowed.test:443 HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1.1 403 [^]*It leads inside\.\n$/);
    expect(denied.refused).toEqual([{ at: "allowed.test:443", text: "It leads inside.", isListed: true }]);
    const broken = await start({ connect: () => Promise.reject(new Error("ENOTFOUND allowed.test")) });
    expect(await say(broken.port, "CONNECT allowed.test:443 HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1.1 502 [^]*ENOTFOUND/);
    expect(broken.refused).toEqual([]);
  });

  test("a second request on the connection of one that is being answered ends it", async () => {
    const target = await web(() => {});
    const { port } = await start({ hosts: [`allowed.test:${target}`] });
    const line = `GET http://allowed.test:${target}/ HTTP/1.1\r\nHost: x\r\n\r\n`;
    expect(await say(port, line + line)).toBe("");
  });
});

test("clients and servers that go away at any moment leave the proxy standing", async () => {
  const target = await web((incoming, response) => {
    response.write("some");
    setTimeout(() => incoming.socket.resetAndDestroy(), 20);
  });
  const { port, opened } = await start({ hosts: [`allowed.test:${target}`] });
  const tunnel = `CONNECT allowed.test:${target} HTTP/1.1\r\n\r\n`;
  const post = `POST http://allowed.test:${target}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegun`;
  const texts = [
    "CONN",
    "\0\0\0",
    tunnel.slice(0, -2),
    tunnel,
    `${tunnel}GET / HTTP/1.1\r\nHost: x\r\n\r\n`,
    post,
    post + "x".repeat(500_000),
  ];
  for (const text of [...texts, "GET http://allowed.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\nzz\r\n"]) {
    for (const ms of [0, 1, 10, 40]) {
      const { socket } = await caller(port);
      socket.write(text);
      await sleep(ms);
      if (ms % 2 === 0) socket.resetAndDestroy();
      else socket.end();
    }
  }
  await vi.waitFor(() => expect(opened.filter(({ closed }) => !closed)).toEqual([]), { timeout: 5_000 });
  expect(await say(port, "CONNECT other.test:443 HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1.1 403 /);
});

describe("the limits of the proxy", () => {
  test("connections at once", async () => {
    const { port } = await start();
    const callers = await Promise.all(Array.from({ length: LIMITS.mcpHostConnections }, () => caller(port)));
    await sleep(50);
    expect(await say(port, "")).toBe("");
    expect(callers.every(({ socket }) => !socket.closed)).toBe(true);
  });

  test("bytes of a request's head", async () => {
    const { port } = await start();
    const head = (bytes: number) => `CONNECT other.test:443 HTTP/1.1\r\nX: ${"x".repeat(bytes)}\r\n\r\n`;
    expect(await say(port, head(LIMITS.mcpHostHeadBytes - 100))).toMatch(/^HTTP\/1.1 403 /);
    expect(await say(port, head(LIMITS.mcpHostHeadBytes))).toMatch(/^HTTP\/1.1 431 /);
  });

  test("time to connect; what is opened later is closed", async () => {
    const { promise, resolve } = Promise.withResolvers<Duplex>();
    const { port } = await start({ connect: () => promise, connectMs: 50 });
    expect(await say(port, "CONNECT allowed.test:443 HTTP/1.1\r\n\r\n")).toMatch(
      /^HTTP\/1.1 504 [^]*allowed.test:443 could not be reached in 50 ms/,
    );
    const late = connect({ port, host: "127.0.0.1" });
    resolve(late);
    await once(late, "close");
    expect([LIMITS.mcpHostConnectMs, LIMITS.mcpHostIdleMs]).toEqual([15_000, 600_000]);
  });

  test("silence, of a tunnel and of a request", async () => {
    const target = await web(() => {});
    const { port, opened } = await start({ hosts: [`allowed.test:${target}`], idleMs: 200 });
    const before = performance.now();
    await say(port, `CONNECT allowed.test:${target} HTTP/1.1\r\n\r\n`);
    await say(port, `GET http://allowed.test:${target}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(performance.now() - before).toBeGreaterThan(390);
    await vi.waitFor(() => expect(opened.map(({ closed }) => closed)).toEqual([true, true]));
  });
});

test("at its end nothing is left: no socket, no connection, in either direction", async () => {
  const target = await web(() => {});
  const { port, proxy, opened } = await start({ hosts: [`allowed.test:${target}`] });
  const { socket, heard } = await caller(port);
  socket.write(`CONNECT allowed.test:${target} HTTP/1.1\r\n\r\n`);
  await vi.waitFor(() => expect(heard()).toContain("200"));
  proxy.close();
  await vi.waitFor(() => expect([socket.closed, opened[0]?.closed]).toEqual([true, true]));
  await expect(once(connect({ port, host: "127.0.0.1" }), "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  const late = createServer();
  const latePort = await listening(late);
  proxy.serve(late);
  await vi.waitFor(() => expect(late.listening).toBe(false));
  await expect(once(connect({ port: latePort, host: "127.0.0.1" }), "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

describe("a list of hosts", () => {
  const allows = allowList(["example.org", "*.below.test", "ports.test:8443", "127.0.0.1", "[2001:db8::1]:8080"]);
  test.each([
    ["example.org", 443, true],
    ["example.org", 80, true],
    ["example.org", 8443, false],
    ["www.example.org", 443, false],
    ["evilexample.org", 443, false],
    ["example.org.evil.test", 443, false],
    ["a.below.test", 443, true],
    ["a.b.below.test", 80, true],
    ["below.test", 443, false],
    ["evilbelow.test", 443, false],
    ["ports.test", 8443, true],
    ["ports.test", 443, false],
    ["127.0.0.1", 80, true],
    ["2001:db8::1", 8080, true],
    ["2001:db8::1", 80, false],
  ])("%s:%i: %j", (host, port, isAllowed) => expect(allows({ host, port })).toBe(isAllowed));

  test("targets are read in their one form", () => {
    expect(tunnelTarget("EXAMPLE.org:443")).toEqual({ host: "example.org", port: 443 });
    expect(tunnelTarget("example.org:80")).toEqual({ host: "example.org", port: 80 });
    expect(tunnelTarget("[2001:DB8:0::1]:8080")).toEqual({ host: "2001:db8::1", port: 8080 });
    expect(tunnelTarget("0x7f.1:80")).toEqual({ host: "127.0.0.1", port: 80 });
    for (const odd of ["example.org", "example.org:65536", "a/b:80", "a b:80", "a?:80", "a#:80", ":80", "u@h:80", "a\\b:80"]) {
      expect(tunnelTarget(odd), odd).toBeUndefined();
    }
    expect(urlTarget(new URL("http://[::1]/x"))).toEqual({ host: "::1", port: 80 });
    expect(urlTarget(new URL("https://example.org/"))).toBeUndefined();
  });
});
