import type { ServerResponse } from "node:http";
import { afterAll, describe, expect, test } from "vitest";
import type { JSONRPCMessage } from "@modelcontextprotocol/client";
import { TIMINGS } from "../supervision/timings.ts";
import { failingServers } from "#test/support/mcp/failing-servers.ts";
import { SseTransport } from "./sse-transport.ts";

const servers = failingServers();
afterAll(() => servers.close());

type Stream = (response: ServerResponse) => void;
const PING: JSONRPCMessage = { jsonrpc: "2.0", id: 1, method: "ping" };

async function transportTo(stream: Stream, handshakeMs = 10_000) {
  const { url, requests } = await servers.serve((request, response) => {
    if (request.method === "POST") response.writeHead(202).end();
    else stream(response.writeHead(200, { "content-type": "text/event-stream" }));
  });
  const frames: string[] = [];
  const transport = new SseTransport({
    url,
    headers: { authorization: "Bearer x" },
    fetch: globalThis.fetch,
    frames: { sent: () => void frames.push("sent"), received: () => void frames.push("received") },
    timings: { ...TIMINGS, handshakeMs },
    onFlood: () => {},
  });
  const closed = new Promise<void>((resolve) => (transport.onclose = resolve));
  return { transport, requests, frames, closed };
}
const endpoint = (where: string): string => `event: endpoint\ndata: ${where}\n\n`;

describe("HTTP with SSE", () => {
  test("posts messages where the first event says, and hears the answers on the stream", async () => {
    let stream: ServerResponse | undefined;
    const { transport, requests, frames } = await transportTo((response) => void (stream = response).write(endpoint("/messages?id=7")));
    const heard = new Promise((resolve) => (transport.onmessage = resolve));
    await transport.start();
    await transport.send(PING);
    stream?.write(`: a comment\nevent: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n`);
    expect(await heard).toMatchObject({ id: 1, result: {} });
    expect(requests.map(({ method, url, headers }) => [method, url, headers.authorization])).toEqual([
      ["GET", "/mcp", "Bearer x"],
      ["POST", "/messages?id=7", "Bearer x"],
    ]);
    expect(frames).toEqual(["sent", "received"]);
    await transport.close();
    await expect(transport.send(PING)).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
  });

  test("takes messages to no other server", async () => {
    const other = await servers.serve((_request, response) => void response.end());
    const { transport } = await transportTo((response) => void response.write(endpoint(other.url)));
    await expect(transport.start()).rejects.toMatchObject({ code: "mcp_redirect_refused" });
    expect(other.requests).toEqual([]);
  });

  test.each<[string, Stream, string]>([
    ["names no address", (response) => void response.write(": hello\n\n"), "mcp_no_handshake"],
    ["ends before it does", (response) => void response.end(), "CONNECTION_CLOSED"],
    [
      "sends an event without an end",
      (response) => {
        const more = (): void => void (response.writable && response.write(`data: ${"x".repeat(1 << 20)}\n`, more));
        more();
      },
      "mcp_message_too_large",
    ],
  ])("gives up a stream that %s", async (_what, stream, code) => {
    const { transport } = await transportTo(stream, code === "mcp_no_handshake" ? 200 : undefined);
    await expect(transport.start()).rejects.toMatchObject({ code });
  });

  test("ends with its stream, and does not open it again, whatever the server asks for", async () => {
    const { transport, requests, closed } = await transportTo((response) => void response.end(`retry: 1\n\n${endpoint("/m")}`));
    await transport.start();
    await closed;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(requests).toHaveLength(1);
  });

  test("leaves out what is no message, and goes on", async () => {
    let stream: ServerResponse | undefined;
    const { transport } = await transportTo((response) => void (stream = response).write(endpoint("/m")));
    const errors: unknown[] = [];
    transport.onerror = (error) => void errors.push(error);
    const heard = new Promise((resolve) => (transport.onmessage = resolve));
    await transport.start();
    const forNobody = { jsonrpc: "2.0", id: "1", result: {} };
    stream?.write(`data: {"no":"message"}\n\ndata: ${JSON.stringify(forNobody)}\n\ndata: ${JSON.stringify(PING)}\n\n`);
    expect(await heard).toEqual(PING);
    expect(errors).toMatchObject([{ code: "mcp_output_invalid" }, { code: "mcp_output_invalid" }]);
    await transport.close();
  });
});
