import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { editDistance, maskedConfig, PROJECT_DIR, readConfig } from "./config.ts";

describe("readConfig", () => {
  test("has a default for everything", () => {
    expect(readConfig({})).toMatchObject({
      host: "127.0.0.1",
      port: 4600,
      dataDir: join(PROJECT_DIR, ".auterity"),
      databaseUrl: undefined,
      warnings: [],
    });
  });

  test("takes a limit on a workspace's calls, from 1", () => {
    expect(readConfig({}).tenantConcurrency).toBeUndefined();
    expect(readConfig({ AUTERITY_TENANT_CONCURRENCY: "20" }).tenantConcurrency).toBe(20);
    expect(() => readConfig({ AUTERITY_TENANT_CONCURRENCY: "0" })).toThrow(/AUTERITY_TENANT_CONCURRENCY/);
  });

  test("takes lists of what MCP servers may run and use, and limits on calls of them", () => {
    expect(readConfig({}).mcp).toEqual({ commands: undefined, folders: undefined, tenantCalls: undefined, requestsPerMinute: undefined });
    const env = { AUTERITY_MCP_COMMANDS: "npx, uvx,/usr/bin/node", AUTERITY_MCP_FOLDERS: "/srv/mcp,/data" };
    expect(readConfig(env).mcp).toMatchObject({ commands: ["npx", "uvx", "/usr/bin/node"], folders: ["/srv/mcp", "/data"] });
    expect(readConfig({ AUTERITY_MCP_TENANT_CALLS: "10", AUTERITY_MCP_REQUESTS_PER_MINUTE: "60" }).mcp).toMatchObject({
      tenantCalls: 10,
      requestsPerMinute: 60,
    });
  });

  test.each([
    { AUTERITY_MCP_COMMANDS: "npx -y" },
    { AUTERITY_MCP_COMMANDS: "./run" },
    { AUTERITY_MCP_FOLDERS: "srv" },
    { AUTERITY_MCP_FOLDERS: "/srv/../etc" },
    { AUTERITY_MCP_FOLDERS: "/srv,," },
    { AUTERITY_MCP_TENANT_CALLS: "0" },
    { AUTERITY_MCP_TENANT_CALLS: "8001" },
    { AUTERITY_MCP_REQUESTS_PER_MINUTE: "300001" },
  ])("refuses %j", (env) => {
    expect(() => readConfig(env)).toThrow(new RegExp(Object.keys(env)[0] ?? ""));
  });

  test("names every wrong setting at once", () => {
    const read = () => readConfig({ AUTERITY_PORT: "many", DATABASE_URL: "mysql://x" });
    expect(read).toThrow(/AUTERITY_PORT.*DATABASE_URL/);
  });

  test("warns of an unknown name with the nearest known one", () => {
    expect(readConfig({ AUTERITY_PROT: "1" }).warnings).toEqual(["AUTERITY_PROT is not a setting; the nearest is AUTERITY_PORT."]);
  });

  test("takes the roles, and a longer drain for a worker", () => {
    const shared = { DATABASE_URL: "postgres://db/x", AUTERITY_ENCRYPTION_KEY: "one-key-for-all-of-them" };
    expect(readConfig({})).toMatchObject({ role: "all", drainMs: 2_000, redisUrl: undefined });
    expect(readConfig({ ...shared, AUTERITY_ROLE: "api" })).toMatchObject({ role: "api", drainMs: 2_000 });
    expect(readConfig({ ...shared, AUTERITY_ROLE: "worker" })).toMatchObject({ role: "worker", drainMs: 20_000 });
    expect(readConfig({ ...shared, AUTERITY_ROLE: "worker", AUTERITY_DRAIN_SECONDS: "0" }).drainMs).toBe(0);
    expect(() => readConfig({ AUTERITY_ROLE: "driver" })).toThrow(/AUTERITY_ROLE: expected `all`, `api` or `worker`/);
    expect(() => readConfig({ AUTERITY_DRAIN_SECONDS: "3601" })).toThrow(/AUTERITY_DRAIN_SECONDS/);
  });

  test.each(["api", "worker"])("a process that is only %s needs the database and the key that the others have", (role) => {
    const wrong = { code: "config_invalid", remedy: expect.stringContaining("DATABASE_URL and AUTERITY_ENCRYPTION_KEY") };
    expect(() => readConfig({ AUTERITY_ROLE: role })).toThrow(expect.objectContaining(wrong));
    const keyless = { AUTERITY_ROLE: role, DATABASE_URL: "postgres://db/x" };
    expect(() => readConfig(keyless)).toThrow(/^AUTERITY_ENCRYPTION_KEY: expected with AUTERITY_ROLE=/);
  });

  test("takes an address of Redis, and no other", () => {
    expect(readConfig({ REDIS_URL: "rediss://u:p@cache:6380/1" })).toMatchObject({ redisUrl: "rediss://u:p@cache:6380/1", warnings: [] });
    expect(() => readConfig({ REDIS_URL: "http://cache" })).toThrow(/REDIS_URL: expected redis:/);
  });

  test("treats an empty value as not set", () => {
    expect(readConfig({ AUTERITY_PORT: "", DATABASE_URL: "" })).toMatchObject({ port: 4600, databaseUrl: undefined });
  });

  test("reads a secret from the file that <NAME>_FILE names", () => {
    const dir = mkdtempSync(join(tmpdir(), "auterity-config-"));
    writeFileSync(join(dir, "token"), "a-long-enough-token\n");
    expect(readConfig({ AUTERITY_BOOTSTRAP_TOKEN_FILE: join(dir, "token") }).bootstrapToken).toBe("a-long-enough-token");
    rmSync(dir, { recursive: true });
    expect(() => readConfig({ AUTERITY_BOOTSTRAP_TOKEN_FILE: join(dir, "token") })).toThrow(/cannot read/);
  });

  test("masks secrets", () => {
    const config = readConfig({
      AUTERITY_BOOTSTRAP_TOKEN: "very-secret-token-1",
      DATABASE_URL: "postgres://u:hidden@db:5432/x",
      REDIS_URL: "redis://:hidden@cache:6379/0",
      OPENAI_API_KEY: "sk-hidden",
    });
    expect(JSON.stringify(maskedConfig(config))).not.toMatch(/very-secret|hidden/);
    expect(maskedConfig(config)).toMatchObject({ bootstrapToken: "set", database: "db:5432", redis: "cache:6379" });
  });
});

describe("editDistance", () => {
  test.each([
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["same", "same", 0],
  ])("%s to %s is %i", (a, b, distance) => expect(editDistance(a, b)).toBe(distance));
});
