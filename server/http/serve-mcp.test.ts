import { afterEach, expect, test } from "vitest";
import { AppError } from "#server/kernel/errors.ts";
import { testHttp, type TestHttp } from "#test/support/http-server.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { McpEndpoint, McpRequest } from "#server/kernel/mcp-endpoint.ts";

let http: TestHttp | undefined;
afterEach(() => http?.close());

const endpoint: McpEndpoint = {
  serve: async ({ server, body }, { raw, headers }) => {
    if (server === "broken") throw new AppError("not_found", "There is no such server.");
    raw.writeHead(200, { ...headers, "content-type": "application/json" }).end(JSON.stringify({ server, body }));
  },
  close: async () => {},
};

const ask = (token: string, url = "/mcp") =>
  http?.inject({ method: "POST", url, headers: { authorization: `Bearer ${token}`, host: "localhost" }, payload: { id: 1 } });

test("hands requests over with the server that the path names, under the headers that every answer has", async () => {
  http = await testHttp({ mcpEndpoint: endpoint });
  const answer = await ask("owner", "/mcp/servers/files");
  expect(answer?.json()).toEqual({ server: "files", body: { id: 1 } });
  expect(answer?.headers["x-content-type-options"]).toBe("nosniff");
});

test("answers what the endpoint refuses in JSON-RPC", async () => {
  http = await testHttp({ mcpEndpoint: endpoint });
  const answer = await ask("owner", "/mcp/servers/broken");
  expect(answer?.statusCode).toBe(404);
  expect(answer?.json()).toMatchObject({ jsonrpc: "2.0", id: null, error: { data: { code: "not_found" } } });
});

test("tells a caller who floods it to wait, and serves the others", async () => {
  http = await testHttp({ mcpEndpoint: endpoint, limits: { mcpRequestsPerMinute: 3 } });
  for (let i = 0; i < 3; i += 1) expect((await ask("owner"))?.statusCode).toBe(200);
  const refused = await ask("owner");
  expect([refused?.statusCode, refused?.headers["retry-after"]]).toEqual([429, "5"]);
  expect(refused?.json()).toMatchObject({ error: { data: { code: "rate_limited" } } });
  expect((await ask("designer"))?.statusCode).toBe(200);
});

test("says in the log what nobody expected, and nothing of it to the caller", async () => {
  const logged: object[] = [];
  const log = { ...silentLog, error: (_: string, fields = {}) => void logged.push(fields) };
  const serve: McpEndpoint["serve"] = () => Promise.reject(new TypeError("broken inside"));
  http = await testHttp({ mcpEndpoint: { ...endpoint, serve }, log });
  const answer = await ask("owner");
  expect([answer?.statusCode, answer?.body]).toEqual([500, expect.not.stringContaining("broken inside")]);
  expect(logged).toMatchObject([{ route: "/mcp", error: { message: "broken inside" } }]);
});

test("lets nobody go on who may not do any more what the request has needed", async () => {
  let asked: McpRequest | undefined;
  const serve: McpEndpoint["serve"] = async (request, { raw, headers }) => {
    asked = request;
    await request.need("tool:call");
    raw.writeHead(202, headers).end();
  };
  http = await testHttp({ mcpEndpoint: { ...endpoint, serve } });
  expect((await ask("operator"))?.statusCode).toBe(202);
  http.moved.set("operator", "designer");
  expect(await asked?.mayGoOn()).toBe(true);
  http.moved.set("operator", "viewer");
  expect(await asked?.mayGoOn()).toBe(false);
});

test("exists only where the platform serves clients", async () => {
  http = await testHttp();
  expect((await ask("owner"))?.statusCode).toBe(404);
});
