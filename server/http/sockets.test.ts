import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import { EventStream, LineStream, type SseEvent } from "#server/kernel/handle.ts";
import { testHttp, type TestHttp, type TestHttpOptions } from "#test/support/http-server.ts";

const open: TestHttp[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((http) => http.close()));
});

async function serve(options: TestHttpOptions = {}) {
  const http = await testHttp(options);
  open.push(http);
  const { address } = await http.listen({ host: "127.0.0.1", port: 0 });
  return { http, url: address, port: Number(new URL(address).port) };
}
const auth = { authorization: "Bearer owner" };

/** Sends bytes as they are and returns everything that comes back until the server hangs up. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (received += chunk));
  socket.on("error", () => {});
  socket.write(bytes);
  await once(socket, "close");
  return received;
}

describe("connections", () => {
  test.each([
    ["something that is not HTTP", "hello\r\n\r\n", 400, "request_malformed"],
    [
      "headers beyond the limit",
      `GET /healthz HTTP/1.1\r\nhost: localhost\r\ncookie: ${"x".repeat(40_000)}\r\n\r\n`,
      431,
      "headers_too_large",
    ],
    ["a request without a host", "GET /healthz HTTP/1.1\r\n\r\n", 400, ""],
    [
      "both kinds of length",
      "POST /api/v1/workflows HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
      "request_malformed",
    ],
  ])("answers %s", async (_, bytes, status, code) => {
    const { port, url } = await serve();
    const answer = await raw(port, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain(code);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test("ends a request whose headers do not arrive in time", async () => {
    const { port } = await serve({ limits: { headersMs: 100 } });
    expect(await raw(port, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n")).toContain('"code":"request_timeout"');
  });

  test("ends a request whose body does not arrive in time", async () => {
    const { port } = await serve({ limits: { headersMs: 100, requestMs: 200 } });
    const head =
      "POST /api/v1/workflows HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer owner\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{";
    expect(await raw(port, head)).toContain("HTTP/1.1 408 ");
  });

  test("refuses a chunked body that grows beyond the limit", async () => {
    const { port } = await serve();
    const sent = request({ port, method: "POST", path: "/api/v1/workflows", headers: { ...auth, "content-type": "application/json" } });
    const answered = once(sent, "response");
    sent.on("error", () => {});
    sent.write('{"name":"');
    for (let size = 0; size <= LIMITS.bodyBytes; size += 65_536) sent.write("x".repeat(65_536));
    const [response] = await answered;
    expect(response.statusCode).toBe(413);
    response.resume();
    sent.destroy();
  });

  test("a close waits neither for a connection that never sent anything nor for a request that never ends", async () => {
    const { http, port, url } = await serve({ limits: { closeMs: 100 } });
    const silent = connect(port, "127.0.0.1");
    const slow = connect(port, "127.0.0.1");
    slow.write("POST /api/v1/workflows HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer owner\r\ncontent-length: 9\r\n\r\n{");
    const ended = [silent, slow].map((socket) => {
      socket.resume().on("error", () => {});
      return once(socket, "close");
    });
    await Promise.all([silent, slow].map((socket) => once(socket, "connect")));
    await fetch(`${url}/healthz`);
    await http.close();
    await Promise.all(ended);
  });

  test("a port in use is named", async () => {
    const { port } = await serve();
    const second = await testHttp();
    open.push(second);
    await expect(second.listen({ host: "127.0.0.1", port })).rejects.toMatchObject({ code: "port_in_use" });
  });
});

/** Events that a test pushes by hand. */
function source() {
  let end = (): void => {};
  let wake = (): void => {};
  const queue: SseEvent[] = [];
  const state = { pulled: 0, ended: false };
  async function* events(signal: AbortSignal): AsyncGenerator<SseEvent> {
    signal.addEventListener("abort", () => wake());
    try {
      while (!signal.aborted && !(state.ended && queue.length === 0)) {
        const event = queue.shift();
        if (event) {
          state.pulled += 1;
          yield event;
        } else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      end();
    }
  }
  const finished = new Promise<string>((resolve) => (end = () => resolve("finished")));
  return { events, state, finished, push: (event: SseEvent) => (queue.push(event), wake()), finish: () => ((state.ended = true), wake()) };
}

async function follow(url: string, headers: Record<string, string> = auth) {
  const controller = new AbortController();
  const response = await fetch(`${url}/api/v1/events`, { headers, signal: controller.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const readUntil = async (wanted: string): Promise<string> => {
    while (!text.includes(wanted)) {
      const chunk = await reader?.read();
      if (chunk === undefined || chunk.done) return text;
      text += chunk.value;
    }
    return text;
  };
  return { response, readUntil, leave: () => controller.abort() };
}

describe("event streams", () => {
  test("send each event as it comes, in the format of the standard", async () => {
    const { events, push, finish } = source();
    const { url } = await serve({ handlers: { streamEvents: ({ signal }) => new EventStream(events(signal)) } });
    const { response, readUntil } = await follow(url);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("no-store");
    await readUntil(": ready\n\n");
    push({ id: "7", event: "run", data: { text: "two\nlines" } });
    expect(await readUntil("lines")).toContain('id: 7\nevent: run\ndata: {"text":"two\\nlines"}\n\n');
    push({ raw: "[DONE]" });
    push({ raw: "a\nb", event: "x\ny" });
    finish();
    expect(await readUntil("nothing more")).toMatch(/data: \[DONE\]\n\nevent: x y\ndata: a\ndata: b\n\n$/);
  });

  test("beat while nothing happens", async () => {
    const { events } = source();
    const { url } = await serve({
      limits: { heartbeatMs: 10 },
      handlers: { streamEvents: ({ signal }) => new EventStream(events(signal)) },
    });
    const { readUntil, leave } = await follow(url);
    expect(await readUntil(": heartbeat\n\n: heartbeat\n\n")).toContain("heartbeat");
    leave();
  });

  test("end their source when the client goes away", async () => {
    const { events, finished, push } = source();
    const { url } = await serve({ handlers: { streamEvents: ({ signal }) => new EventStream(events(signal)) } });
    const { readUntil, leave } = await follow(url);
    push({ data: 1 });
    await readUntil("data: 1");
    leave();
    expect(await finished).toBe("finished");
  });

  test("end when the caller's credentials are revoked", async () => {
    const { events, finished } = source();
    const { url, http } = await serve({
      limits: { recheckMs: 10 },
      handlers: { streamEvents: ({ signal }) => new EventStream(events(signal)) },
    });
    const { readUntil } = await follow(url);
    await readUntil("ready");
    http.revoked.add("owner");
    await readUntil("the end");
    expect(await finished).toBe("finished");
  });

  test("of lines break off when the caller's credentials are revoked", async () => {
    async function* documents(): AsyncGenerator<object> {
      yield { number: 1 };
      http.revoked.add("owner");
      yield { number: 2 };
    }
    const { url, http } = await serve({ limits: { recheckMs: 0 }, handlers: { exportMessages: () => new LineStream(documents()) } });
    const response = await fetch(`${url}/api/v1/messages/export`, { headers: { authorization: "Bearer owner" } });
    const read: string[] = [];
    const all = (async () => {
      for await (const chunk of response.body ?? []) read.push(Buffer.from(chunk).toString());
    })();
    await expect(all).rejects.toThrow("terminated");
    expect(read.join("")).not.toContain("2");
  });

  test("end when the server closes", async () => {
    const { events, finished } = source();
    const { url, http } = await serve({ handlers: { streamEvents: ({ signal }) => new EventStream(events(signal)) } });
    const { readUntil } = await follow(url);
    await readUntil("ready");
    await http.close();
    await readUntil("the end");
    expect(await finished).toBe("finished");
  });

  test("are pulled only as fast as the client reads", async () => {
    const { events, state, push } = source();
    const count = 2_000;
    const { url } = await serve({ handlers: { streamEvents: ({ signal }) => new EventStream(events(signal)) } });
    const { readUntil, leave } = await follow(url);
    await readUntil("ready");
    for (let i = 0; i < count; i += 1) push({ data: "x".repeat(65_536) });
    await fetch(`${url}/healthz`);
    expect(state.pulled).toBeLessThan(count);
    leave();
  });

  test("are limited per caller, and a closed one makes room", async () => {
    const { url } = await serve({
      limits: { eventStreamsPerCaller: 1 },
      handlers: { streamEvents: ({ signal }) => new EventStream(source().events(signal)) },
    });
    const first = await follow(url);
    await first.readUntil("ready");
    const second = await follow(url);
    expect(second.response.status).toBe(429);
    expect(second.response.headers.get("retry-after")).toBe("5");
    expect((await follow(url, { authorization: "Bearer viewer" })).response.status).toBe(200);
    first.leave();
    await expect.poll(async () => (await follow(url)).response.status).toBe(200);
  });

  test("tell a failure of their source as an event, without what was thrown", async () => {
    async function* failing(): AsyncGenerator<SseEvent> {
      yield { data: 1 };
      throw new AppError("not_found", "The run is gone.");
    }
    async function* broken(): AsyncGenerator<SseEvent> {
      yield { data: 1 };
      throw new Error("secret detail");
    }
    const { url } = await serve({
      handlers: { streamEvents: ({ caller }) => new EventStream(caller.name === "owner" ? failing() : broken()) },
    });
    expect(await (await follow(url)).readUntil("the end")).toMatch(/event: error\ndata: \{.*"code":"not_found"/);
    const text = await (await follow(url, { authorization: "Bearer viewer" })).readUntil("the end");
    expect(text).toContain('"code":"internal"');
    expect(text).not.toContain("secret detail");
  });
});

describe("/ws/agents", () => {
  const connected: string[] = [];
  const agentSocket: TestHttpOptions["agentSocket"] = {
    authenticate: async (token) => (token === "agent-token" ? "scribe" : undefined),
    accept: (socket, agent) => {
      connected.push(agent);
      socket.on("message", (data) => socket.send(data, { binary: false }));
    },
  };
  const next = async (socket: WebSocket | undefined, event: "message" | "close"): Promise<unknown> => {
    if (socket === undefined) throw new Error("The socket is not open.");
    const [first]: unknown[] = await once(socket, event);
    return first;
  };
  const dial = async (url: string, options: ConstructorParameters<typeof WebSocket>[2], query = "") => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws/agents${query}`, options);
    return new Promise<{ socket?: WebSocket; status?: number }>((resolve, reject) => {
      socket.on("open", () => resolve({ socket }));
      socket.on("unexpected-response", (_, response) => {
        response.resume();
        socket.on("error", () => {});
        socket.terminate();
        resolve({ status: response.statusCode ?? 0 });
      });
      socket.on("error", reject);
    });
  };
  const bearer = { authorization: "Bearer agent-token" };

  test("hands an agent with its token over", async () => {
    const { url } = await serve({ agentSocket });
    const { socket } = await dial(url, { headers: bearer });
    socket?.send("hello");
    const echo = await next(socket, "message");
    expect(String(echo)).toBe("hello");
    expect(connected).toEqual(["scribe"]);
    socket?.terminate();
  });

  test.each([
    ["without a token", {}, 401],
    ["with a user's token", auth, 401],
    ["from another site", { ...bearer, origin: "https://evil.example" }, 403],
    ["with an opaque origin", { ...bearer, origin: "null" }, 403],
    ["under a rebound name", { ...bearer, host: "evil.example" }, 403],
  ])("refuses an upgrade %s", async (_, headers, status) => {
    const { url } = await serve({ agentSocket });
    expect(await dial(url, { headers })).toEqual({ status });
  });

  test("does not take a token from the address, nor an upgrade elsewhere", async () => {
    const { url } = await serve({ agentSocket });
    expect(await dial(url, {}, "?token=agent-token")).toEqual({ status: 401 });
    const answer = await fetch(`${url}/ws/agents`, { headers: bearer });
    expect(answer.status).toBe(422);
  });

  test("closes a socket that sends more than the limit", async () => {
    const { url } = await serve({ agentSocket });
    const { socket } = await dial(url, { headers: bearer });
    socket?.send("x".repeat(LIMITS.socketMessageBytes + 1));
    const code = await next(socket, "close");
    expect(code).toBe(1009);
  });

  test("ends its sockets when the server closes", async () => {
    const { url, http } = await serve({ agentSocket });
    const { socket } = await dial(url, { headers: bearer });
    const closed = next(socket, "close");
    await http.close();
    expect(await closed).toBe(1005);
  });
});
