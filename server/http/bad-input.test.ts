import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Problem } from "#contract/errors.ts";
import { LIMITS } from "#contract/limits.ts";
import { testHttp, type TestHttp } from "#test/support/http-server.ts";

let http: TestHttp;
beforeAll(async () => {
  http = await testHttp({
    handlers: {
      createWorkflow: ({ body }) => ({ got: body }),
      listWorkflows: ({ query }) => ({ got: query }),
      getRun: () => {
        throw new Error("the password is s3cret-value");
      },
      cancelRun: ({ body }) => ({ got: body ?? "nothing" }),
    },
  });
});
afterAll(() => http.close());

type Sent = {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  url?: string;
  payload?: string | Buffer;
  headers?: Record<string, string>;
};
async function send({ method = "POST", url = "/api/v1/workflows", payload, headers }: Sent) {
  const json = payload === undefined ? {} : { "content-type": "application/json" };
  const response = await http.inject({ method, url, payload, headers: { authorization: "Bearer owner", ...json, ...headers } });
  return { status: response.statusCode, headers: response.headers, body: response.body };
}
/** Checks that the answer is a whole problem document and returns what matters of it. */
async function problem(sent: Sent) {
  const { status, headers, body } = await send(sent);
  expect(headers["content-type"]).toBe("application/problem+json; charset=utf-8");
  const parsed = Problem.parse(JSON.parse(body));
  expect(parsed.status).toBe(status);
  expect(parsed.requestId).toBe(headers["x-request-id"]);
  expect(parsed.remedy).not.toBe("");
  return { status, code: parsed.code, detail: parsed.detail, paths: parsed.issues?.map(({ path }) => path) };
}

describe("bodies", () => {
  test.each([
    ["an unfinished document", "["],
    ["no JSON at all", "name=x"],
    ["a trailing comma", '{"name":"x",}'],
    ["two documents", "{}{}"],
    ["NaN", '{"name":NaN}'],
    ["a key twice", '{"name":"x","definition":{"id":1,"id":2}}'],
    ["a key twice, once escaped", '{"name":"x","\\u006eame":"y"}'],
    ["a byte order mark only", "\ufeff"],
  ])("refuses %s as malformed", async (_, payload) => {
    expect(await problem({ payload })).toMatchObject({ status: 400, code: "body_malformed" });
  });

  test("refuses invalid UTF-8", async () => {
    const payload = Buffer.from([0x7b, 0x22, 0x6e, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]);
    expect(await problem({ payload })).toMatchObject({ status: 400, code: "body_malformed" });
  });

  test.each(["[", '{"a":'])("refuses 20,000 levels of %s before building anything", async (opening) => {
    expect(await problem({ payload: opening.repeat(20_000) })).toMatchObject({ status: 422, code: "body_too_deep" });
  });

  test("accepts exactly as many levels as the limit, and brackets inside strings do not count", async () => {
    const deep = "[".repeat(LIMITS.jsonDepth - 1) + "]".repeat(LIMITS.jsonDepth - 1);
    const brackets = '"[{\\"[[\\\\"';
    const payload = `{"name":"x","definition":${deep}}`;
    expect((await send({ payload })).status).toBe(201);
    expect((await send({ payload: `{"name":"x","definition":${brackets}}` })).status).toBe(201);
    expect((await send({ payload: `{"name":"x","definition":[${deep}]}` })).status).toBe(422);
  });

  test("refuses more values than the limit", async () => {
    const payload = `[${"0,".repeat(LIMITS.jsonNodes)}0]`;
    expect(await problem({ payload })).toMatchObject({ status: 413, code: "body_too_large" });
  });

  test("refuses a body of 10 MB", async () => {
    const payload = `{"name":"${"x".repeat(10 * 1024 * 1024)}"}`;
    expect(await problem({ payload })).toMatchObject({ status: 413, code: "body_too_large" });
  });

  test.each([
    ["NUL", '{"name":"a","definition":{"nodes":[{"id":"\\u0000"}]}}', "body.definition.nodes[0].id"],
    ["a lone surrogate", '{"name":"a","definition":["\\ud800"]}', "body.definition[0]"],
    ["a lone surrogate in a key", '{"name":"a","definition":{"\\udc00":1}}', "body.definition"],
    ["__proto__", '{"name":"a","definition":{"__proto__":{"role":"admin"}}}', "body.definition"],
    ["constructor.prototype", '{"name":"a","definition":{"constructor":{"prototype":{"role":"admin"}}}}', "body.definition"],
    ["a number beyond doubles", '{"name":"a","definition":1e400}', "body.definition"],
    ["an integer beyond 2^53", '{"name":"a","definition":9007199254740993}', "body.definition"],
  ])("refuses %s and names the place", async (_, payload, path) => {
    expect(await problem({ payload })).toMatchObject({ status: 422, code: "request_invalid", paths: [path] });
    expect(Object.hasOwn(Object.prototype, "role")).toBe(false);
  });

  test("names at most twenty places", async () => {
    const payload = JSON.stringify({ name: "a", definition: Array.from({ length: 100 }, () => "\0") });
    expect((await problem({ payload })).paths).toHaveLength(20);
  });

  test("accepts emoji, right-to-left text and the word constructor", async () => {
    const definition = { text: "👩‍👩‍👧 שלום", constructor: "a builder", small: 1e300, zero: -0 };
    const { status, body } = await send({ payload: JSON.stringify({ name: "a", definition }) });
    expect(status).toBe(201);
    expect(JSON.parse(body)).toMatchObject({ got: { definition: { text: definition.text } } });
  });

  test("says what was expected where", async () => {
    const refused = await problem({ payload: '{"name":"","definition":{},"role":"admin"}' });
    expect(refused).toMatchObject({ status: 422, code: "request_invalid", paths: ["body.name", "body"] });
    expect(refused.detail).toContain("role");
    expect(await problem({})).toMatchObject({ status: 422, code: "request_invalid", paths: ["body"] });
  });

  test.each([
    ["text/plain"],
    ["multipart/form-data; boundary=x"],
    ["application/x-www-form-urlencoded"],
    ["application/json; charset=utf-7"],
    ["application/json; charset=utf-16"],
    ["text/json"],
    ["nonsense"],
  ])("refuses content type %s", async (type) => {
    const refused = await problem({ payload: '{"name":"x","definition":{}}', headers: { "content-type": type } });
    expect(refused).toMatchObject({ status: 415, code: "content_type_unsupported" });
  });

  test("refuses compressed bodies", async () => {
    const refused = await problem({ payload: "{}", headers: { "content-encoding": "gzip" } });
    expect(refused).toMatchObject({ status: 415, code: "content_type_unsupported" });
  });

  test("takes a missing body where the contract lets it be missing", async () => {
    const url = "/api/v1/runs/0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234/cancel";
    expect(JSON.parse((await send({ url })).body)).toEqual({ got: "nothing" });
    expect(JSON.parse((await send({ url, payload: "" })).body)).toEqual({ got: "nothing" });
    expect(JSON.parse((await send({ url, payload: '{"reason":"why"}' })).body)).toEqual({ got: { reason: "why" } });
  });
});

describe("addresses", () => {
  test.each([
    ["limit=1e9", "query.limit"],
    ["limit=-1", "query.limit"],
    ["limit=1.5", "query.limit"],
    ["limit=1&limit=2", "query.limit"],
    ["a[]=1&a[b]=2", "query.a[]"],
    ["name=%00", "query.name"],
    [`cursor=${"x".repeat(600)}`, "query.cursor"],
  ])("refuses ?%s", async (query, path) => {
    const refused = await problem({ method: "GET", url: `/api/v1/workflows?${query}` });
    expect(refused).toMatchObject({ status: 422, code: "request_invalid" });
    expect(refused.paths?.[0]).toBe(path);
  });

  test("a query may hold any text once", async () => {
    const { body } = await send({ method: "GET", url: "/api/v1/workflows?name=%F0%9F%9A%97%20%26&__proto__=1" });
    expect(JSON.parse(body)).toEqual({ got: { limit: 50, name: "🚗 &" } });
  });

  test.each([
    ["/api/v1/runs/nope", 404, "not_found"],
    [`/api/v1/runs/${"x".repeat(500)}`, 404, "not_found"],
    ["/api/v1/runs/%00", 422, "request_invalid"],
    ["/api/v1/runs/%E0%A4%A", 400, "request_malformed"],
    ["/api/v1/runs/..%2f..%2fetc%2fpasswd", 404, "not_found"],
    ["/api/v1/nothing", 404, "route_not_found"],
    ["/API/v1/runs", 404, "route_not_found"],
  ])("answers %s with %i %s", async (url, status, code) => {
    expect(await problem({ method: "GET", url })).toMatchObject({ status, code });
  });

  test("a method that a path does not have is 405 with the ones it has", async () => {
    const { headers } = await send({ method: "PATCH" });
    expect(headers["allow"]).toBe("GET, HEAD, POST");
    expect(await problem({ method: "PATCH" })).toMatchObject({ status: 405, code: "method_not_allowed" });
  });
});

describe("failures of ours", () => {
  test("reach the caller as internal, without what was thrown", async () => {
    const url = "/api/v1/runs/0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234";
    const { status, body } = await send({ method: "GET", url });
    expect(status).toBe(500);
    expect(body).not.toContain("password");
    expect(body).not.toContain("at ");
  });
});
