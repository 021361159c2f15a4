import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testHttp, type TestHttp } from "#test/support/http-server.ts";

const html = { accept: "text/html,application/xhtml+xml" };

describe("with a built web app", () => {
  let http: TestHttp;
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "auterity-web-"));
    await mkdir(join(dir, "assets"));
    await writeFile(join(dir, "index.html"), "<!doctype html><p>app</p>");
    await writeFile(join(dir, "assets", "main-abc123.js"), "export {};");
    await writeFile(join(dir, "icon.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>");
    await writeFile(join(dir, ".env"), "SECRET=1");
    http = await testHttp({ webDir: dir });
  });
  afterAll(async () => {
    await http.close();
    await rm(dir, { recursive: true });
  });
  const get = (url: string, headers: Record<string, string> = {}) => http.inject({ method: "GET", url, headers });

  test("serves the page, asked for anew each time", async () => {
    const { statusCode, body, headers } = await get("/", html);
    expect(statusCode).toBe(200);
    expect(body).toContain("app");
    expect(headers["cache-control"]).toBe("no-cache");
    expect(headers["content-security-policy"]).toContain("script-src 'self'");
  });

  test("serves hashed assets for ever, other files anew", async () => {
    expect((await get("/assets/main-abc123.js")).headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    expect((await get("/icon.svg")).headers["cache-control"]).toBe("no-cache");
  });

  test("answers the page for paths that only the browser's router knows", async () => {
    expect((await get("/runs/123?tab=timeline", html)).body).toContain("app");
    expect((await http.inject({ method: "HEAD", url: "/runs/123", headers: html })).statusCode).toBe(200);
  });

  test.each(["/api/v1/nothing", "/v1/nothing", "/mcp", "/a2a/x", "/.well-known/x", "/hooks"])(
    "never answers %s with a page",
    async (url) => {
      const { statusCode, headers } = await get(url, html);
      expect(statusCode).toBe(404);
      expect(headers["content-type"]).toContain("problem+json");
    },
  );

  test("never answers a program, or anything but a read, with a page", async () => {
    expect((await get("/assets/old-ffffff.js", { accept: "*/*" })).statusCode).toBe(404);
    expect((await http.inject({ method: "POST", url: "/runs/123", headers: html })).statusCode).toBe(404);
  });

  test.each(["/.env", "/../package.json", "/%2e%2e/package.json", "/assets/..%2f..%2fpackage.json"])("does not serve %s", async (url) => {
    const { body } = await get(url);
    expect(body).not.toContain("SECRET");
    expect(body).not.toContain('"dependencies"');
  });
});

describe("without one", () => {
  test("says so, and where the API is", async () => {
    const http = await testHttp({ webDir: "/nowhere/at/all" });
    const { statusCode, body, headers } = await http.inject({ method: "GET", url: "/", headers: html });
    expect(statusCode).toBe(200);
    expect(body).toContain("not built");
    expect(headers["cache-control"]).toBe("no-store");
    await http.close();
  });
});

test("the reference and all its assets come from this server", async () => {
  const http = await testHttp();
  const { body } = await http.inject({ method: "GET", url: "/docs" });
  const assets = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? "");
  expect(assets.length).toBeGreaterThan(3);
  for (const url of assets) {
    expect(url).toMatch(/^\/docs\/static\//);
    expect((await http.inject({ method: "GET", url })).statusCode).toBe(200);
  }
  expect(body).not.toMatch(/<script>|style=|onload=/);
  const { body: described } = await http.inject({ method: "GET", url: "/docs/json" });
  expect(JSON.parse(described)).toEqual(JSON.parse((await http.inject({ method: "GET", url: "/openapi.json" })).body));
  await http.close();
});

test("an answer that does not fit its contract is a failure where answers are checked", async () => {
  const handlers = { healthz: () => ({ status: "fine" }) };
  for (const [checkResponses, status] of [
    [true, 500],
    [false, 200],
  ] as const) {
    const http = await testHttp({ checkResponses, handlers });
    expect((await http.inject({ method: "GET", url: "/healthz" })).statusCode).toBe(status);
    await http.close();
  }
});
