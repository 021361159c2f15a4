import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { gzipSync } from "node:zlib";
import { Agent } from "undici";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { egressTripwire } from "#test/support/egress-tripwire.ts";
import { makeAuthority } from "#test/support/mcp/certificates.ts";
import type { Address } from "./admission.ts";
import { guardedConnector } from "./guarded-connect.ts";
import { guardedFetch } from "./guarded-fetch.ts";
import { RESPONSE_BYTES, capInflated } from "./response-cap.ts";
import type { Reach } from "./rules.ts";

type Seen = { method: string; url: string; headers: IncomingMessage["headers"]; body: string };
type Answer = (request: Seen, response: ServerResponse) => void;

const servers: Server[] = [];
const agents: Agent[] = [];
let tripwire: ReturnType<typeof egressTripwire>;
beforeEach(() => {
  tripwire = egressTripwire();
});
afterEach(async () => {
  const unguarded = tripwire.restore();
  await Promise.all(agents.splice(0).map((agent) => agent.destroy()));
  await Promise.all(servers.splice(0).map((server) => new Promise((done) => server.close(done))));
  if (unguarded.length > 0) throw new Error(`Sockets opened past the guard: ${unguarded.join(", ")}`);
});

/** A server on loopback that remembers what it was asked. */
async function serve(answer: Answer): Promise<{ port: number; origin: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const entry = {
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    };
    seen.push(entry);
    answer(entry, response);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return { port, origin: `http://127.0.0.1:${port}`, seen };
}

const ok: Answer = ({ method, url, body }, response) => response.end(`${method} ${url} ${body}`);
const redirectTo =
  (location: string, status = 302): Answer =>
  (_request, response) =>
    response.writeHead(status, { location }).end();

type Open = { allow?: readonly number[]; names?: Record<string, string[]>; staysAtOrigin?: boolean };
function guardedBy({ allow = [], names = {}, staysAtOrigin }: Open): typeof fetch {
  const connect = guardedConnector({
    lookup: async (host): Promise<Address[]> => (names[host] ?? []).map((address) => ({ address, family: 4 })),
    destination: (host, port) => ({
      host,
      port,
      findRule: async (): Promise<Reach | undefined> => (allow.includes(port) ? "private" : undefined),
    }),
  });
  const agent = new Agent({ connect, maxResponseSize: RESPONSE_BYTES });
  agents.push(agent);
  return guardedFetch(agent, { staysAtOrigin });
}

const denied = (reason?: string) => expect.objectContaining({ code: "egress_denied", ...(reason === undefined ? {} : { reason }) });

describe("the guarded fetch", () => {
  test("reaches an allowed server and gives back an ordinary response", async () => {
    const { origin, port } = await serve(ok);
    const response = await guardedBy({ allow: [port] })(`${origin}/hello`, { method: "POST", body: "text" });
    expect(response).toBeInstanceOf(Response);
    expect(await response.text()).toBe("POST /hello text");
  });

  test("takes a Request and a URL as well", async () => {
    const { origin, port } = await serve(ok);
    const call = guardedBy({ allow: [port] });
    expect(await (await call(new Request(`${origin}/r`, { method: "PUT", body: "b" }))).text()).toBe("PUT /r b");
    expect(await (await call(new Request(`${origin}/r`))).text()).toBe("GET /r ");
    expect(await (await call(new URL(`${origin}/u`))).text()).toBe("GET /u ");
  });

  test("opens no socket to what is not allowed", async () => {
    const { port, seen } = await serve(ok);
    const call = guardedBy({ names: { "inside.example": ["127.0.0.1"], "metadata.example": ["169.254.169.254"] } });
    for (const host of ["127.0.0.1", "inside.example", "metadata.example", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"]) {
      await expect(call(`http://${host}:${port}/`)).rejects.toEqual(denied("address_not_allowed"));
    }
    expect(seen).toEqual([]);
  });

  test("goes to the address that was checked, though the name is answered differently afterwards", async () => {
    const { port, seen } = await serve(ok);
    const call = guardedBy({ allow: [port], names: { "agent.example": ["127.0.0.1"] } });
    expect(await (await call(`http://agent.example:${port}/`)).text()).toBe("GET / ");
    expect(seen[0]?.headers.host).toBe(`agent.example:${port}`);
  });

  test("does not follow the proxy settings of the machine", async () => {
    const { origin, port } = await serve(ok);
    process.env["HTTP_PROXY"] = "http://127.0.0.1:9";
    try {
      expect((await guardedBy({ allow: [port] })(origin)).status).toBe(200);
    } finally {
      delete process.env["HTTP_PROXY"];
    }
  });

  test("passes on failures that are no denials as fetch does", async () => {
    const { port } = await serve(ok);
    await Promise.all(servers.splice(0).map((server) => new Promise((done) => server.close(done))));
    await expect(guardedBy({ allow: [port] })(`http://127.0.0.1:${port}`)).rejects.toThrow("fetch failed");
  });

  test("obeys the caller's signal", async () => {
    const { origin, port } = await serve(() => {});
    const signal = AbortSignal.timeout(50);
    await expect(guardedBy({ allow: [port] })(origin, { signal })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test.each(["host", "X-Forwarded-Host", "x-forwarded-for", "Forwarded", "Proxy-Authorization"])(
    "refuses the header %s (N-28)",
    async (name) => {
      const { origin, port, seen } = await serve(ok);
      await expect(guardedBy({ allow: [port] })(origin, { headers: { [name]: "internal" } })).rejects.toEqual(denied("header_refused"));
      expect(seen).toEqual([]);
    },
  );
});

test("the tripwire sees a socket that the guard has not (N-34)", async () => {
  const { origin, port } = await serve(ok);
  tripwire.restore();
  const fixed = egressTripwire([{ host: "127.0.0.1", port }]);
  await (await fetch(origin, { headers: { connection: "close" } })).text();
  expect(fixed.restore()).toEqual([]);
  tripwire = egressTripwire();
  await (await fetch(origin, { headers: { connection: "close" } })).text();
  await (await guardedBy({ allow: [port] })(origin)).text();
  expect(tripwire.restore()).toEqual([`127.0.0.1:${port}`]);
  tripwire = egressTripwire();
});

describe("redirects", () => {
  test("stay at the origin where the address may hold a credential", async () => {
    const other = await serve(ok);
    const { origin, port, seen } = await serve((request, response) =>
      request.url.startsWith("/b")
        ? ok(request, response)
        : redirectTo(request.url.startsWith("/a") ? "/b?key=1" : `http://127.0.0.1:${other.port}/b?key=1`, 307)(request, response),
    );
    const call = guardedBy({ allow: [port, other.port], staysAtOrigin: true });
    expect(await (await call(`${origin}/a?key=1`, { method: "POST", body: "x" })).text()).toBe("POST /b?key=1 x");
    const refused = await call(`${origin}/out?key=1`).catch((error: unknown) => error);
    expect(refused).toEqual(denied("redirect_refused"));
    expect(refused).toMatchObject({ at: `127.0.0.1:${other.port}`, message: expect.not.stringContaining("key") });
    expect([seen.length, other.seen]).toEqual([3, []]);
  });

  test.each([301, 302, 303, 307, 308])("are checked like a first call (%i)", async (status) => {
    const secret = await serve(ok);
    for (const location of [
      `http://[::1]:${secret.port}/`,
      "http://169.254.169.254/latest",
      `//127.0.0.2:${secret.port}/`,
      "http://0/",
      "http://0x7f.1/",
    ]) {
      const { origin, port } = await serve(redirectTo(location, status));
      await expect(guardedBy({ allow: [port] })(origin)).rejects.toEqual(denied());
    }
    expect(secret.seen).toEqual([]);
  });

  test("are followed to an allowed place, relative ones too", async () => {
    const { origin, port } = await serve((request, response) =>
      request.url === "/b" ? ok(request, response) : redirectTo("/b")(request, response),
    );
    const response = await guardedBy({ allow: [port] })(`${origin}/a`);
    expect(await response.text()).toBe("GET /b ");
    expect(response.url).toBe(`${origin}/b`);
  });

  test("end after five", async () => {
    const { origin, port, seen } = await serve(redirectTo("/again"));
    await expect(guardedBy({ allow: [port] })(origin)).rejects.toEqual(denied("redirect_refused"));
    expect(seen).toHaveLength(6);
  });

  test("take no credentials to another origin", async () => {
    const other = await serve(ok);
    const { origin, port } = await serve(redirectTo(`http://127.0.0.1:${other.port}/x`));
    const headers = { authorization: "Bearer t", cookie: "s=1", "x-api-key": "k", "mcp-session-id": "m", accept: "text/plain" };
    await guardedBy({ allow: [port, other.port] })(origin, { headers });
    expect(Object.keys(other.seen[0]?.headers ?? {})).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/authorization|cookie|key|session/)]),
    );
    expect(other.seen[0]?.headers.accept).toBe("text/plain");
  });

  test("keep credentials on the same origin", async () => {
    const { origin, port, seen } = await serve((request, response) =>
      request.url === "/b" ? ok(request, response) : redirectTo("/b")(request, response),
    );
    await guardedBy({ allow: [port] })(origin, { headers: { authorization: "Bearer t" } });
    expect(seen[1]?.headers.authorization).toBe("Bearer t");
  });

  test("turn a POST into a GET without body where the status says so, and repeat it where not", async () => {
    const byStatus = await serve((request, response) =>
      request.url === "/b" ? ok(request, response) : redirectTo("/b", Number(request.url.slice(1)))(request, response),
    );
    const call = guardedBy({ allow: [byStatus.port] });
    const answer = async (status: number, method: string) => {
      const init = method === "HEAD" ? { method } : { method, body: "b", headers: { "content-type": "text/plain" } };
      return (await call(`${byStatus.origin}/${status}`, init)).text();
    };
    expect(await answer(302, "POST")).toBe("GET /b ");
    expect(await answer(303, "PUT")).toBe("GET /b ");
    expect(await answer(302, "PUT")).toBe("PUT /b b");
    expect(await answer(307, "POST")).toBe("POST /b b");
    await answer(303, "HEAD");
    expect(byStatus.seen.at(-1)?.method).toBe("HEAD");
  });

  test("never take a body to another origin, nor a stream anywhere", async () => {
    const other = await serve(ok);
    const { origin, port, seen } = await serve((request, response) =>
      redirectTo(request.url === "/out" ? `http://127.0.0.1:${other.port}/` : "/again", 307)(request, response),
    );
    const call = guardedBy({ allow: [port, other.port] });
    await expect(call(`${origin}/out`, { method: "POST", body: "secret" })).rejects.toEqual(denied("redirect_refused"));
    const init: RequestInit = { method: "POST", body: new Blob(["s"]).stream() };
    Reflect.set(init, "duplex", "half");
    await expect(call(`${origin}/in`, init)).rejects.toEqual(denied("redirect_refused"));
    expect(other.seen).toEqual([]);
    expect(seen).toHaveLength(2);
  });

  test("from https to http are not followed, though both may be called (N-13)", async () => {
    const plain = await serve(ok);
    const trusted = tls.getCACertificates("default");
    const authority = makeAuthority();
    tls.setDefaultCACertificates([...trusted, authority.pem]);
    try {
      const secure = createHttpsServer(authority.issue({ host: "localhost" }), ({ url }, response) =>
        response.writeHead(url === "/down" ? 307 : 200, { location: `${plain.origin}/` }).end("secure"),
      );
      servers.push(secure);
      secure.listen(0, "127.0.0.1");
      await once(secure, "listening");
      const { port } = secure.address() as AddressInfo;
      const call = guardedBy({ allow: [port, plain.port], names: { localhost: ["127.0.0.1"] } });
      expect(await (await call(`https://localhost:${port}/`)).text()).toBe("secure");
      await expect(call(`https://localhost:${port}/down`)).rejects.toEqual(denied("redirect_refused"));
      expect(plain.seen).toEqual([]);
    } finally {
      tls.setDefaultCACertificates(trusted);
    }
  });

  test("are left to callers who ask for that", async () => {
    const { origin, port } = await serve(redirectTo("http://169.254.169.254/"));
    const call = guardedBy({ allow: [port] });
    expect((await call(origin, { redirect: "manual" })).status).toBe(302);
    await expect(call(origin, { redirect: "error" })).rejects.toThrow(TypeError);
  });

  test("to nonsense are refused", async () => {
    const { origin, port } = await serve(redirectTo("http://"));
    await expect(guardedBy({ allow: [port] })(origin)).rejects.toEqual(denied());
  });
});

describe("the size of an answer", () => {
  const bomb = gzipSync(Buffer.alloc(2 * 1024 * 1024));

  test("is counted after unpacking", async () => {
    const { origin, port } = await serve((_request, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bomb));
    const response = await guardedBy({ allow: [port] })(origin);
    expect(response.url).toBe(`${origin}/`);
    expect((await response.arrayBuffer()).byteLength).toBe(2 * 1024 * 1024);
  });

  test("ends an answer that unpacks to more than the limit", async () => {
    const answer = new Response(new Blob(["x".repeat(64)]).stream(), { headers: { "content-encoding": "gzip" } });
    await expect(capInflated(answer, 16).text()).rejects.toEqual(denied("answer_too_large"));
  });

  test("ends an endless answer", async () => {
    const { origin, port } = await serve((_request, response) => {
      const chunk = Buffer.alloc(1024 * 1024);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", more);
      more();
    });
    const response = await guardedBy({ allow: [port] })(origin);
    await expect(response.arrayBuffer()).rejects.toThrow("terminated");
  });
});
