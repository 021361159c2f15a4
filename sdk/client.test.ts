import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ApiError, createClient, type Client } from "./client.ts";

const RUN = "0199f3a0-0000-7000-8000-000000000001";
let server: Server;
let client: Client;
let seen: { method?: string; url?: string; headers: IncomingMessage["headers"]; body: string }[] = [];
let answers: ((response: ServerResponse) => void)[] = [];

beforeEach(async () => {
  seen = [];
  answers = [];
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    seen.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString("utf8") });
    const answer = answers.shift() ?? json({});
    answer(response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  client = createClient({ url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`, token: "secret" });
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const json =
  (body: unknown, status = 200) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { "content-type": "application/json" }).end(status === 204 ? undefined : JSON.stringify(body));
  };
const event = (seq: number, kind: string, body: object): string => {
  const data = { kind, body, seq, v: 1, scope: "", nodeId: null, attempt: 0, epoch: 1, at: "2026-01-01T00:00:00.000Z" };
  return `id: ${seq}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
};
const claimed = (seq: number): string => event(seq, "run_claimed", { owner: "w" });
const ended = (seq: number): string => event(seq, "run_succeeded", { output: 1 });
const stream =
  (...parts: string[]) =>
  (response: ServerResponse): void => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const part of parts) response.write(part);
    response.end();
  };

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe("a call", () => {
  test("goes to the route's address with parameters, query, headers and body", async () => {
    await client.startRun({ params: { id: "a/b" }, headers: { "idempotency-key": "k" }, body: { input: { n: 1 } } });
    await client.listRuns({ query: { limit: 2, tag: "x y", status: undefined } });
    expect(seen[0]).toMatchObject({
      method: "POST",
      url: "/api/v1/workflows/a%2Fb/runs",
      headers: { authorization: "Bearer secret", "idempotency-key": "k", "content-type": "application/json" },
      body: '{"input":{"n":1}}',
    });
    expect(seen[1]).toMatchObject({ method: "GET", url: "/api/v1/runs?limit=2&tag=x+y", body: "" });
  });

  test("answers JSON, text or nothing, as the route says", async () => {
    answers = [json({ items: [], nextCursor: null }), (response) => response.end("up 1\n"), json(null, 204)];
    expect(await client.listAgents()).toEqual({ items: [], nextCursor: null });
    expect(await client.metricsText()).toBe("up 1\n");
    expect(await client.deleteAgent({ params: { id: RUN } })).toBeUndefined();
  });

  test("throws the problem that the server names", async () => {
    const problem = {
      type: "t",
      title: "T",
      status: 404,
      code: "not_found",
      detail: "There is no such run.",
      remedy: "Check the id.",
      class: "fatal",
      requestId: "r1",
      issues: [{ path: "id", message: "unknown" }],
    };
    answers = [json(problem, 404), (response) => response.writeHead(502).end("<html>")];
    const error = await client.getRun({ params: { id: RUN } }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      status: 404,
      code: "not_found",
      message: "There is no such run.",
      remedy: "Check the id.",
      errorClass: "fatal",
      requestId: "r1",
      issues: problem.issues,
    });
    await expect(client.getRun({ params: { id: RUN } })).rejects.toMatchObject({ status: 502, code: "unexpected_answer" });
  });

  test("can be cancelled", async () => {
    answers = [() => {}];
    await expect(client.listAgents({ signal: AbortSignal.timeout(20) })).rejects.toThrow(/timeout|aborted/i);
  });
});

describe("following a run", () => {
  test("yields each event once over broken connections, up to the last one", async () => {
    answers = [stream(claimed(1), claimed(2), "data: half"), stream(claimed(2), ": heartbeat\n\n", ended(3))];
    const events = await all(client.followRun(RUN));
    expect(events.map(({ seq, kind }) => [seq, kind])).toEqual([
      [1, "run_claimed"],
      [2, "run_claimed"],
      [3, "run_succeeded"],
    ]);
    expect(seen.map(({ url }) => url)).toEqual([`/api/v1/runs/${RUN}/events?after=0`, `/api/v1/runs/${RUN}/events?after=2`]);
  });

  test("ends when it is aborted, and when the server refuses", async () => {
    const controller = new AbortController();
    answers = [(response) => void response.writeHead(200, { "content-type": "text/event-stream" }).write(claimed(1))];
    for await (const _ of client.followRun(RUN, { signal: controller.signal })) controller.abort();
    answers = [json({}, 403)];
    await expect(all(client.followRun(RUN))).rejects.toMatchObject({ status: 403 });
  });

  test("waiting for a run resolves with the run", async () => {
    answers = [stream(ended(1)), json({ id: RUN, status: "succeeded" })];
    expect(await client.waitForRun(RUN)).toMatchObject({ status: "succeeded" });
  });
});
