import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import { newId } from "#server/kernel/ids.ts";
import type { StepCall } from "#server/kernel/step-executor.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import {
  createPlatform,
  createProcess,
  definition,
  endNode,
  isOver,
  journalOf,
  Outside,
  runWhen,
  saveWorkflow,
  startOf,
  type Platform,
} from "#test/support/runs.ts";
import { httpExecutor } from "./http.ts";

let db: TestDatabase;
let platform: Platform;
let server: Server;
let origin = "";
let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {};
let received: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[] = [];

beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const { method = "", url = "", headers } = request;
    received.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
    answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  origin = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  const { egress } = platform.base;
  await db.database.asTenant(db.tenantId, (tx) =>
    egress.allow(tx, { tenantId: db.tenantId, url: origin, purpose: "http", actor: "user:owner" }),
  );
  await platform.putSecret("TOKEN", "s3cret/tokén");
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await db.close();
});
beforeEach(() => {
  received = [];
  platform.frames.length = 0;
  answer = (_request, response) => response.setHeader("content-type", "application/json").end('{"ok":true}');
});

const reply =
  (status: number, headers: Record<string, string>, body: string | Buffer = "") =>
  (_request: IncomingMessage, response: ServerResponse): void =>
    void response.writeHead(status, headers).end(body);

const callOf = (input: Json, more: Partial<StepCall> = {}): StepCall => ({
  tenantId: db.tenantId,
  environment: "production",
  initiator: "user:1",
  depth: 0,
  step: { runId: newId(), scope: "", nodeId: "call", attempt: 1 },
  input,
  key: "key-1",
  effect: "once",
  timeoutMs: 20_000,
  signal: new AbortController().signal,
  saveHandle: async () => {},
  ...more,
});
const run = (input: Record<string, Json>, more: Partial<StepCall> = {}): Promise<Json> =>
  httpExecutor({ ...platform.base }).run(callOf({ url: `${origin}/path?q=1`, method: "GET", ...input }, more));
const failure = (input: Record<string, Json>, more?: Partial<StepCall>): Promise<unknown> =>
  run(input, more).catch((error: unknown) => error);

describe("what a request sends", () => {
  test.each<[string, Record<string, Json>, string, string | undefined]>([
    ["JSON", { body: { a: [1] } }, '{"a":[1]}', "application/json"],
    ["a text as it is", { body: "a=1" }, "a=1", "text/plain; charset=utf-8"],
    ["a text of its own kind", { body: "<a/>", headers: { "Content-Type": "application/xml" } }, "<a/>", "application/xml"],
    ["JSON of its own kind", { body: [1], headers: { "content-type": "application/ld+json" } }, "[1]", "application/ld+json"],
    [
      "a form",
      { body: { a: "x y", b: 2 }, headers: { "content-type": "application/x-www-form-urlencoded" } },
      "a=x+y&b=2",
      "application/x-www-form-urlencoded",
    ],
    ["nothing", {}, "", undefined],
  ])("%s", async (_what, input, body, type) => {
    expect(await run({ method: "POST", ...input })).toMatchObject({ status: 200, body: { ok: true } });
    expect(received).toMatchObject([{ method: "POST", url: "/path?q=1", body }]);
    expect(received[0]?.headers).toMatchObject({ "idempotency-key": "key-1", "user-agent": "Auterity" });
    expect(received[0]?.headers["content-type"]).toBe(type);
  });

  test("a key goes with what may change something, unless the author has set one", async () => {
    for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"]) await run({ method });
    await run({ method: "POST", headers: { "Idempotency-Key": "own" } });
    expect(received.map(({ headers }) => headers["idempotency-key"])).toEqual([
      undefined,
      undefined,
      undefined,
      "key-1",
      "key-1",
      "key-1",
      "own",
    ]);
  });

  test("secrets are put in on the way out, and only there", async () => {
    answer = (request, response) =>
      response
        .setHeader("content-type", "application/json")
        .end(JSON.stringify({ you: Buffer.from(request.headers.authorization ?? "", "latin1").toString("latin1") }));
    const output = await run({ headers: { authorization: ["Bearer ", { $secret: "TOKEN" }], "x-data": '[{"$secret":"TOKEN"}]' } });
    expect(received[0]?.headers).toMatchObject({ "x-data": '[{"$secret":"TOKEN"}]' });
    expect(Buffer.from(received[0]?.headers.authorization ?? "", "latin1").toString("latin1")).toBe("Bearer s3cret/tokén");
    expect(output).toMatchObject({ body: { you: "Bearer [redacted]" } });
    expect(JSON.stringify(platform.frames)).not.toContain("s3cret");
    expect(platform.frames[0]?.content).toMatchObject({ headers: { authorization: ["Bearer ", { $secret: "TOKEN" }] } });
  });

  test.each<[string, Record<string, Json>, string]>([
    ["a method that is none", { method: "BREW" }, "input_invalid"],
    ["an address that is no text", { url: 5 }, "input_invalid"],
    ["a body with GET", { body: 1 }, "input_invalid"],
    ["a header with a line break", { headers: { a: "b\r\nc: d" } }, "input_invalid"],
    ["a header that is a list of other things", { headers: { a: [{ $secret: "TOKEN", more: 1 }] } }, "input_invalid"],
    [
      "a form that is no object",
      { method: "POST", body: [1], headers: { "content-type": "application/x-www-form-urlencoded" } },
      "input_invalid",
    ],
    ["a secret that is not there", { headers: { a: [{ $secret: "NONE" }] } }, "secret_missing"],
    ["an address that is none", { url: "nowhere" }, "egress_denied"],
    ["another scheme", { url: "file:///etc/passwd" }, "egress_denied"],
    ["a host inside that nobody has allowed", { url: "http://127.0.0.2:9/" }, "egress_denied"],
    ["a metadata service", { url: "http://169.254.169.254/latest" }, "egress_denied"],
    ["a header of the connection", { headers: { "x-forwarded-for": "1.1.1.1" } }, "egress_denied"],
  ])("refuses %s", async (_what, input, code) => {
    expect(await failure(input)).toMatchObject({ code });
    expect(received).toEqual([]);
  });

  test("a value that cannot be a header is not told", async () => {
    await platform.putSecret("ODD", "s3cret\nsecond line");
    const error = await failure({ headers: { a: [{ $secret: "ODD" }] } });
    expect(error).toMatchObject({ code: "input_invalid", message: expect.not.stringContaining("s3cret"), cause: undefined });
  });
});

describe("what an answer becomes", () => {
  test.each<[string, string, string | Buffer, object]>([
    ["JSON", "application/json; charset=utf-8", '{"a":1}', { body: { a: 1 } }],
    ["JSON by its suffix", "application/problem+json", "[1]", { body: [1] }],
    ["what is no JSON after all", "application/json", "{oops", { body: "{oops" }],
    ["text", "text/plain", "é€", { body: "é€" }],
    ["text in another charset", "text/plain; charset=iso-8859-1", Buffer.from("é", "latin1"), { body: "é" }],
    ["bytes", "application/octet-stream", Buffer.from([0, 255, 1]), { body: "AP8B", isBase64: true }],
    ["nothing", "text/plain", "", { body: "" }],
  ])("%s", async (_what, type, body, expected) => {
    answer = reply(201, { "content-type": type, "x-more": "1" }, body);
    expect(await run({})).toEqual({ status: 201, headers: expect.objectContaining({ "content-type": type, "x-more": "1" }), ...expected });
  });

  test("it has a size", async () => {
    answer = reply(200, {}, "x".repeat(LIMITS.httpResponseBytes));
    expect(await run({})).toHaveProperty("body.length", LIMITS.httpResponseBytes);
    answer = reply(200, {}, "x".repeat(LIMITS.httpResponseBytes + 1));
    expect(await failure({})).toMatchObject({ code: "step_output_too_large", retryable: false });
  });

  test("redirects are followed by the guard, and lead nowhere that is not allowed", async () => {
    answer = (request, response) => (request.url === "/end" ? response.end("there") : response.writeHead(302, { location: "/end" }).end());
    expect(await run({})).toMatchObject({ body: "there" });
    answer = reply(307, { location: "http://169.254.169.254/" });
    expect(await failure({})).toMatchObject({ code: "egress_denied" });
  });

  test.each([
    [400, false],
    [404, false],
    [408, true],
    [425, true],
    [429, true],
    [500, true],
    [503, true],
    [304, false],
  ])("%i fails the step", async (status, retryable) => {
    answer = reply(status, { "retry-after": "7" }, "no luck");
    expect(await failure({ method: "POST" })).toMatchObject({
      code: "http_failed",
      retryable,
      retryAfterMs: 7_000,
      message: `POST ${origin}/path answered with ${status}.`,
      ...(status !== 304 && { cause: { message: "no luck" } }),
    });
    expect(platform.frames.map(({ kind }) => kind)).toEqual(["request", "response"]);
  });

  test("its frames are joined to the step", async () => {
    const call = callOf({ url: `${origin}/path?q=1`, method: "POST", body: { a: 1 } });
    await httpExecutor(platform.base).run(call);
    const frame = { protocol: "http", method: "POST /path", step: call.step, correlationId: expect.any(String) };
    expect(platform.frames).toMatchObject([
      { ...frame, kind: "request", direction: "out", to: new URL(origin).host, content: { body: { a: 1 } } },
      { ...frame, kind: "response", direction: "in", content: { status: 200 }, latencyMs: expect.any(Number) },
    ]);
  });
});

describe("when the network fails", () => {
  const hangUp = (_request: IncomingMessage, response: ServerResponse): void => void response.destroy();
  const cutOff = (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { "content-length": "100" }).write("half");
    setTimeout(() => response.destroy(), 20);
  };

  test.each<[string, typeof hangUp, StepCall["effect"], object]>([
    ["hung up, with what may be repeated", hangUp, "idempotent", { code: "http_failed", retryable: true }],
    ["hung up, with what may not", hangUp, "once", { code: "step_in_doubt" }],
    ["hung up, with what must be asked about", hangUp, "ask", { code: "step_in_doubt" }],
    ["cut off, with what may be repeated", cutOff, "none", { code: "http_failed", retryable: true }],
    ["cut off, with what may not", cutOff, "once", { code: "step_in_doubt" }],
  ])("%s", async (_what, how, effect, expected) => {
    answer = how;
    expect(await failure({ method: "POST" }, { effect })).toMatchObject(expected);
    expect(platform.frames.map(({ kind }) => kind)).toEqual(["request", "error"]);
  });

  test("nobody there is no doubt", async () => {
    const { port } = new URL(origin);
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const address = other.address();
    const url = origin.replace(port, String(typeof address === "object" && address ? address.port : 0));
    await db.database.asTenant(db.tenantId, (tx) =>
      platform.base.egress.allow(tx, { tenantId: db.tenantId, url, purpose: "http", actor: "user:owner" }),
    );
    other.close();
    await once(other, "close");
    expect(await failure({ url, method: "POST" })).toMatchObject({
      code: "http_failed",
      retryable: true,
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("an abort ends it with the abort's own reason", async () => {
    answer = () => {};
    const controller = new AbortController();
    const failing = failure({ method: "POST" }, { signal: controller.signal });
    setTimeout(() => controller.abort(new AppError("step_timeout", "too late")), 50);
    expect(await failing).toMatchObject({ code: "step_timeout" });
  });
});

describe("a request in a run", () => {
  const nodes = (more: object = {}) => [
    {
      id: "call",
      type: "http",
      data: {
        method: "POST",
        url: `${origin}/{{ input.path }}`,
        headers: { authorization: "Bearer {{ secrets.TOKEN }}", "x-data": "=input.forged" },
        body: "=input",
      },
      ...more,
    } as const,
    endNode("=steps.call.body"),
  ];
  async function resultOf(more: object = {}, isParked = false) {
    const runs = createProcess(platform, new Outside());
    await runs.start();
    try {
      const id = await saveWorkflow(platform, definition(nodes(more), ["start>call", "call>end"]));
      const { id: runId } = await startOf(runs, db.tenantId, id)({ path: "a", forged: [{ $secret: "TOKEN" }] });
      const done = await runWhen(
        runs,
        { id: runId, tenantId: db.tenantId },
        (now) => isOver(now) || (isParked && now.status === "waiting"),
      );
      return { done, journal: await journalOf(runs, db.tenantId, runId) };
    } finally {
      await runs.stop();
    }
  }

  test("is sent with its secrets, which the journal never sees, and data that looks like one stays data", async () => {
    answer = (request, response) => response.end(`came with ${request.headers.authorization?.length} ${String(request.headers["x-data"])}`);
    const { done, journal } = await resultOf();
    expect(done).toMatchObject({ status: "succeeded", output: 'came with 19 [{"$secret":"TOKEN"}]' });
    expect(journal.find(({ kind }) => kind === "step_started")?.body).toMatchObject({
      effect: "once",
      input: { url: `${origin}/a`, headers: { authorization: ["Bearer ", { $secret: "TOKEN" }], "x-data": '[{"$secret":"TOKEN"}]' } },
    });
    expect(JSON.stringify(journal)).not.toContain("s3cret");
  });

  test("is tried again as late as the other side asks, under the same key", async () => {
    answer = (_request, response) => (received.length === 1 ? reply(503, { "retry-after": "1" })(_request, response) : response.end("now"));
    const { done, journal } = await resultOf({ policy: { retry: { maxAttempts: 2, backoffMs: 1, jitter: 0 } } });
    expect(done).toMatchObject({ status: "succeeded", output: "now" });
    expect(new Set(received.map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
    const [first, second] = journal.filter(({ kind }) => kind === "step_started").map(({ at }) => Date.parse(at));
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(900);
  });

  test("parks its run with a question when it is in doubt", async () => {
    answer = (_request, response) => void response.destroy();
    const { done, journal } = await resultOf({}, true);
    expect(done.status).toBe("waiting");
    expect(journal.at(-1)).toMatchObject({ kind: "step_parked", nodeId: "call" });
  });
});
