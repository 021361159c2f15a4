import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import type { McpServer } from "#contract/mcp/servers.ts";
import { newId } from "#server/kernel/ids.ts";
import { callerOf, hostile, mcpPlatforms, toolNamed, type McpPlatform } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

import { STARTS_AT_ONCE } from "./start-together.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
const [script = ""] = hostile().args;
const node = process.execPath;
const TOKEN = `ghp_${"a1B2c3D4".repeat(5)}`;

beforeAll(async () => {
  db = await testDatabase();
});
afterEach(async () => {
  await platforms.close();
  await db.ownerPool.query("update mcp_servers set deleted_at = now() where deleted_at is null");
});
afterAll(() => db.close());

const names = async (p: McpPlatform): Promise<string[]> =>
  (await p.call(routes.listMcpServers, { query: { limit: 200 } })).items.map(({ name }) => name).sort();

describe("an import", () => {
  test("of a VS Code document asks for its inputs; what is secret goes to the vault and only its name into the launch", async () => {
    const p = await platforms.open();
    const document = `{
      "inputs": [{ "id": "tok", "type": "promptString", "password": true, "description": "Your token" }, { "id": "mode", "type": "promptString" }],
      "servers": {
        "My Tools": { "command": ${JSON.stringify(node)}, "args": [${JSON.stringify(script)}, "\${input:mode}"], "env": { "GITHUB_TOKEN": "\${input:tok}", "LEVEL": "info" } }, // one
      },
    }`;
    const preview = await p.call(routes.previewMcpImport, { body: { document } });
    expect(preview).toMatchObject({
      format: "vscode",
      items: [
        {
          key: "My Tools",
          name: "my-tools",
          clash: null,
          launch: { args: [script, "${input:mode}"], env: { GITHUB_TOKEN: "secret:my_tools_GITHUB_TOKEN", LEVEL: "info" } },
          secrets: [{ at: "env.GITHUB_TOKEN", name: "my_tools_GITHUB_TOKEN" }],
          inputs: ["mode", "tok"],
          errors: [],
        },
      ],
      inputs: [
        { id: "mode", password: false, required: true },
        { id: "tok", password: true, description: "Your token" },
      ],
    });
    await expect(p.call(routes.importMcpServers, { body: { document, inputs: { mode: "late-tool" } } })).rejects.toMatchObject({
      code: "request_invalid",
      issues: [{ path: "inputs.tok", message: "expected a value: Your token", code: "input_missing" }],
    });
    await expect(p.call(routes.importMcpServers, { body: { document, inputs: { mode: "x", tok: "y", tokn: "z" } } })).rejects.toMatchObject(
      {
        code: "request_invalid",
        issues: [{ path: "inputs.tokn" }],
      },
    );
    expect([await names(p), p.stored.size]).toEqual([[], 0]);
    const { items } = await p.call(routes.importMcpServers, { body: { document, inputs: { mode: "late-tool", tok: "short" } } });
    expect(items).toMatchObject([{ name: "my-tools", state: "READY", launch: { env: { GITHUB_TOKEN: "secret:my_tools_GITHUB_TOKEN" } } }]);
    expect(p.stored).toEqual(new Map([["my_tools_GITHUB_TOKEN", "short"]]));
    await toolNamed(p, items[0]?.id ?? "", "add");
  });

  test("finds credentials that were written down: in variables, headers, arguments and addresses", async () => {
    const p = await platforms.open();
    const body = {
      mcpServers: {
        one: {
          command: "a",
          args: ["--token", TOKEN, `--key=${TOKEN}x`, "postgres://u:pw@db/x"],
          env: { GH: TOKEN, API_KEY: "<your key>", SIZE: "12345678" },
        },
        two: { url: "https://two.example/mcp?api_key=q9Zr7Lw2Xc5V", headers: { Authorization: `Bearer ${TOKEN}`, "X-Mode": "fast" } },
      },
      start: false,
    };
    const { items: previewed } = await p.call(routes.previewMcpImport, { body });
    expect(JSON.stringify(previewed)).not.toContain(TOKEN);
    expect(previewed.map(({ warnings }) => warnings.map(({ code }) => code))).toEqual([
      expect.arrayContaining(["secret_in_arguments", "placeholder", "unconfined", "unknown_command", "command_not_found"]),
      [],
    ]);
    // No cap watches over what an unconfined server writes elsewhere, and it says so.
    expect(previewed[0]?.warnings).toContainEqual({ code: "unconfined", message: expect.stringContaining("diskBytes") });
    const { items } = await p.call(routes.importMcpServers, { body });
    expect(items.map(({ launch }) => launch)).toMatchObject([
      {
        args: ["--token", "secret:one_token", "--key=secret:one_key", "secret:one_arg_3"],
        env: { GH: "secret:one_token", API_KEY: "********", SIZE: "12345678" },
      },
      {
        url: "https://two.example/mcp",
        headers: { Authorization: "secret:two_Authorization", "X-Mode": "fast" },
        query: { api_key: "secret:two_api_key" },
      },
    ]);
    expect(Object.fromEntries(p.stored)).toEqual({
      one_token: TOKEN,
      one_key: `${TOKEN}x`,
      one_arg_3: "postgres://u:pw@db/x",
      two_Authorization: `Bearer ${TOKEN}`,
      two_api_key: "q9Zr7Lw2Xc5V",
    });
    expect(JSON.stringify([items, p.audited])).not.toContain(TOKEN);
  });

  test("takes only what was chosen, under the names that were chosen, into the environment that was chosen", async () => {
    const p = await platforms.open();
    const document = {
      mcpServers: { a: { command: node, args: [script] }, b: { command: node, args: [script], disabled: true }, c: { command: node } },
    };
    const body = { document, entries: [{ key: "a", name: "alpha" }, { key: "b" }], environment: "test" as const };
    const { items } = await p.call(routes.importMcpServers, { body });
    expect(items).toMatchObject([
      { name: "alpha", environment: "test", state: "READY" },
      { name: "b", state: "STOPPED", desired: "stopped" },
    ]);
    await expect(p.call(routes.importMcpServers, { body: { document, entries: [{ key: "z" }] } })).rejects.toMatchObject({
      code: "request_invalid",
    });
  });

  test("does with a taken name what was asked for", async () => {
    const p = await platforms.open();
    const body = (onClash: "fail" | "rename" | "skip") => ({
      mcpServers: { one: { command: "x" }, fresh: { command: "x" }, Fresh: { command: "x" } },
      onClash,
      start: false,
    });
    await p.call(routes.importMcpServers, { body: { mcpServers: { one: { command: "x" } }, start: false } });
    expect((await p.call(routes.previewMcpImport, { body: body("fail") })).items.map(({ clash }) => clash?.renamed)).toEqual([
      "one-2",
      undefined,
      "fresh-2",
    ]);
    await expect(p.call(routes.importMcpServers, { body: body("fail") })).rejects.toMatchObject({
      code: "name_taken",
      issues: [{ path: "one" }, { path: "fresh" }],
    });
    expect(await names(p)).toEqual(["one"]);
    expect(await p.call(routes.importMcpServers, { body: body("skip") })).toMatchObject({
      items: [{ name: "fresh" }],
      skipped: ["one", "fresh"],
    });
    expect((await p.call(routes.importMcpServers, { body: body("rename") })).items.map(({ name }) => name)).toEqual([
      "one-2",
      "fresh-2",
      "fresh-3",
    ]);
  });

  test("at the same time as others is like one after the other", async () => {
    const p = await platforms.open();
    const importing = (onClash: "fail" | "rename" | "skip") =>
      p.call(routes.importMcpServers, { body: { mcpServers: { same: { command: "x" } }, onClash, start: false } });
    const renamed = await Promise.all([1, 2, 3].map(() => importing("rename")));
    expect(renamed.flatMap(({ items }) => items.map(({ name }) => name)).sort()).toEqual(["same", "same-2", "same-3"]);
    await db.ownerPool.query("update mcp_servers set deleted_at = now() where deleted_at is null");
    const skipped = await Promise.all([1, 2, 3].map(() => importing("skip")));
    expect(skipped.flatMap(({ skipped: names }) => names)).toEqual(["same", "same"]);
    await db.ownerPool.query("update mcp_servers set deleted_at = now() where deleted_at is null");
    const failed = await Promise.allSettled([1, 2, 3].map(() => importing("fail")));
    expect(failed.flatMap((one) => (one.status === "rejected" ? [one.reason] : []))).toMatchObject([
      { code: "name_taken", issues: [{ path: "same", message: expect.stringContaining("same-2 is free") }] },
      { code: "name_taken" },
    ]);
  });

  test("has done what it could when somebody deletes one of its servers meanwhile", async () => {
    const p = await platforms.open({ timings: { importWaitMs: 60_000, probeMs: 60_000, handshakeMs: 60_000 } });
    const imported = p.call(routes.importMcpServers, {
      body: { mcpServers: { quick: { command: "/nowhere" }, hangs: { command: "sleep", args: ["600"] } } },
    });
    const { id } = await vi.waitFor(
      async () => {
        const { items } = await p.call(routes.listMcpServers, { query: { name: "hangs", state: "STARTING" } });
        if (items[0] === undefined) throw new Error("it does not start yet");
        return items[0];
      },
      { timeout: 20_000 },
    );
    await p.call(routes.deleteMcpServer, { params: { id } });
    expect((await imported).items.map(({ name }) => name)).toEqual(["quick"]);
  });

  test("is all or nothing: one bad server, one refused launch, one credential that may not be stored", async () => {
    const p = await platforms.open();
    const good = { command: node, args: [script] };
    const importing = (mcpServers: Record<string, object>, role: "owner" | "designer" = "owner") =>
      p.call(routes.importMcpServers, { body: JSON.parse(JSON.stringify({ mcpServers })) }, callerOf(db.tenantId, role));
    await expect(importing({ good, bad: { url: "ftp://x" } })).rejects.toMatchObject({
      code: "request_invalid",
      issues: [{ path: "mcpServers.bad.url" }],
    });
    await expect(importing({ good, "!": { command: "x" } })).rejects.toMatchObject({
      code: "request_invalid",
      issues: [{ path: "mcpServers.!" }],
    });
    await expect(importing({ good, bad: { command: "x", env: { NODE_OPTIONS: "--require x", API_KEY: TOKEN } } })).rejects.toMatchObject({
      code: "launch_refused",
    });
    await expect(importing({ good, bad: { command: "x", env: { API_KEY: TOKEN } } }, "designer")).rejects.toMatchObject({
      code: "permission_denied",
    });
    expect(p.audited.at(-1)).toMatchObject({ action: "mcp_server.import", outcome: "deny", reason: "secret:write" });
    expect([await names(p), p.stored.size]).toEqual([[], 0]);
    expect(await importing({ good }, "designer")).toMatchObject({ items: [{ state: "FAILED", launchApproved: false }] });
  });
});

describe("an import of many servers (S-20)", () => {
  const many = (count: number, command: string, ...args: string[]) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${i}`, { command, args }]));
  const states = (items: readonly McpServer[]): string[] => [
    ...new Set(items.map((one) => `${one.state} ${one.launchApproved} ${one.pid}`)),
  ];
  const processes = async (): Promise<number> => (await db.ownerPool.query("select 1 from mcp_processes")).rows.length;
  const startsOf = ({ published }: McpPlatform): { all: number; atOnce: number } => {
    const starting = new Set<string>();
    const found = { all: 0, atOnce: 0 };
    for (const event of published) {
      if (event.type !== "mcp_server") continue;
      if (event.state === "STARTING") {
        starting.add(event.serverId);
        found.all += 1;
      } else starting.delete(event.serverId);
      found.atOnce = Math.max(found.atOnce, starting.size);
    }
    return found;
  };

  test("leaves all 500 inert when somebody asks who may not approve; one more is refused", async () => {
    const p = await platforms.open();
    const canary = join(tmpdir(), `aut-canary-S20-${newId()}`);
    const designer = callerOf(db.tenantId, "designer");
    const before = await processes();
    const importing = (count: number) =>
      p.call(routes.importMcpServers, { body: { mcpServers: many(count, "sh", "-c", `touch ${canary}`) } }, designer);
    await expect(importing(501)).rejects.toMatchObject({
      code: "request_invalid",
      message: expect.stringMatching(/at most 500 servers; the document has 501/),
    });
    expect(await names(p)).toEqual([]);
    const { items } = await importing(500);
    expect([items.length, states(items)]).toEqual([500, ["FAILED false null"]]);
    expect(p.audited.map(({ action }) => action)).not.toContain("mcp_process.starting");
    expect([await processes(), existsSync(canary)]).toEqual([before, false]);
  }, 60_000);

  test("starts all 500 of an owner, each once, a few at a time", async () => {
    const p = await platforms.open();
    const { items } = await p.call(routes.importMcpServers, { body: { mcpServers: many(500, "/nowhere/at-all") } });
    expect([items.length, states(items)]).toEqual([500, ["FAILED true null"]]);
    expect(startsOf(p)).toEqual({ all: 500, atOnce: STARTS_AT_ONCE });
  }, 60_000);

  test("does not keep the caller waiting for what hangs; the others have their turn later, unless they are stopped before", async () => {
    const p = await platforms.open({ timings: { importWaitMs: 100, probeMs: 400, handshakeMs: 500, quickFailures: 1 } });
    const before = await processes();
    const { items } = await p.call(routes.importMcpServers, { body: { mcpServers: many(10, "sleep", "600") } });
    expect(items.filter(({ state }) => state === "STOPPED").length).toBeGreaterThanOrEqual(10 - STARTS_AT_ONCE);
    const stopped = items.find(({ name }) => name === "s9");
    await p.call(routes.stopMcpServer, { params: { id: stopped?.id ?? "" } });
    await vi.waitFor(
      async () => {
        const { items: now } = await p.call(routes.listMcpServers, { query: {} });
        expect(now.map(({ name, state }) => `${name} ${state}`)).toEqual([
          "s9 STOPPED",
          ...Array.from({ length: 9 }, (_, i) => `s${8 - i} FAILED`),
        ]);
      },
      { timeout: 30_000, interval: 50 },
    );
    expect(startsOf(p)).toEqual({ all: 9, atOnce: STARTS_AT_ONCE });
    expect(await processes()).toBeGreaterThanOrEqual(before + 9);
  }, 60_000);
});

test("a preview says what an import would refuse, and changes nothing", async () => {
  const p = await platforms.open();
  const document = {
    mcpServers: {
      a: { command: "bash", args: ["-c", "x"], env: { PATH: "/evil" }, cwd: "relative" },
      b: { url: "https://b.example/${input:password}" },
      c: {},
      d: { command: "x", env: { "my-var": "1" } },
      e: { url: "https://e.example", headers: { "X Y": "1" } },
    },
  };
  const { items } = await p.call(routes.previewMcpImport, { body: { document } });
  expect(items.map(({ errors }) => errors.map(({ path }) => path))).toEqual([
    ["launch.env.PATH", "launch.cwd"],
    ["mcpServers.b.url"],
    ["mcpServers.c"],
    ["mcpServers.d.env.my-var"],
    ["mcpServers.e.headers.X Y"],
  ]);
  expect(items.slice(3).map(({ errors }) => errors[0]?.message)).toEqual([
    expect.stringMatching(/^expected a name of letters, digits and _/),
    expect.stringMatching(/^expected a name of letters, digits, _, \. and -/),
  ]);
  expect(items[0]?.warnings.map(({ code }) => code)).toContain("inline_code");
  expect([await names(p), p.stored.size, p.audited]).toEqual([[], 0, []]);
  await expect(p.call(routes.previewMcpImport, { body: { document: "a | b" } })).rejects.toMatchObject({ code: "request_invalid" });
});
