import { mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import { mcpPlatforms, type McpPlatform } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let folder: string;
const platforms = mcpPlatforms(() => db);

beforeAll(async () => {
  db = await testDatabase();
  folder = await realpath(await mkdtemp(join(tmpdir(), "auterity-known-")));
  await writeFile(join(folder, "file"), "");
  await symlink("/etc", join(folder, "link"));
});
afterEach(() => platforms.close());
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

const add = (p: McpPlatform, id: string, body: object) => p.call(routes.addWellKnownServer, { params: { id }, body });

describe("adding a well-known server", () => {
  test.each([
    ["filesystem", (): Record<string, string> => ({ folder })],
    ["memory", (): Record<string, string> => ({})],
    ["everything", (): Record<string, string> => ({})],
  ])("%s runs after one call and no download", async (id, inputs) => {
    const p = await platforms.open({ path: "/nonexistent" });
    const server = await add(p, id, { name: `known-${id}`, inputs: inputs() });
    expect(server).toMatchObject({ name: `known-${id}`, state: "READY", launchApproved: true });
    expect(server.toolCount).toBeGreaterThan(5);
  });

  test("stores its key in the vault, and shows only the name of it", async () => {
    const p = await platforms.open();
    const server = await add(p, "github", { inputs: { token: "short" }, start: false });
    expect(server).toMatchObject({
      name: "github",
      state: "STOPPED",
      launch: { url: "https://api.githubcopilot.com/mcp/", headers: { Authorization: "secret:github_Authorization" } },
    });
    expect([...p.stored]).toEqual([["github_Authorization", "Bearer short"]]);
    const taken = { code: "name_taken", remedy: "Give it another `name` (`--name`)." };
    await expect(add(p, "github", { inputs: { token: "short" } })).rejects.toMatchObject(taken);
    await p.call(routes.deleteMcpServer, { params: { id: server.id } });
    expect([...p.stored]).toEqual([]);
    await add(p, "github", { inputs: { token: "short" }, start: false });
    expect(await add(p, "github", { name: "github-2", inputs: { token: "other" }, start: false })).toMatchObject({
      launch: { headers: { Authorization: "secret:github_2_Authorization" } },
    });
  });

  test("leaves out what is optional and was not given", async () => {
    const p = await platforms.open();
    expect(await add(p, "context7", { start: false })).toMatchObject({ launch: { headers: {} } });
    expect(await add(p, "sentry", { inputs: { token: "x", host: "" }, start: false })).toMatchObject({
      launch: { args: ["-y", "@sentry/mcp-server@0.39.0"] },
    });
  });

  test.each<[string, string, () => Record<string, string>, string]>([
    ["what is missing", "filesystem", () => ({}), "inputs.folder"],
    ["an input that there is not", "memory", () => ({ path: "/x" }), "inputs.path"],
    ["a relative folder", "filesystem", () => ({ folder: "../../etc/passwd" }), "inputs.folder"],
    ["a folder with a step up", "filesystem", () => ({ folder: "/data/./../etc" }), "inputs.folder"],
    ["an escaped step up", "filesystem", () => ({ folder: "/data/%2e%2e%2fetc" }), "inputs.folder"],
    ["a step up with backslashes", "filesystem", () => ({ folder: "/data\\..\\etc" }), "inputs.folder"],
    ["a NUL", "filesystem", () => ({ folder: `${folder}\0` }), "inputs.folder"],
    ["a system folder", "filesystem", () => ({ folder: "/etc" }), "inputs.folder"],
    ["a link that leads elsewhere", "filesystem", () => ({ folder: join(folder, "link") }), "inputs.folder"],
    ["a file", "filesystem", () => ({ folder: join(folder, "file") }), "inputs.folder"],
    ["a folder that is not there", "filesystem", () => ({ folder: "/data-evil" }), "inputs.folder"],
    ["an option in a value's place", "azure-devops", () => ({ organisation: "--inspect=0.0.0.0" }), "inputs.organisation"],
  ])("is refused for %s, and nothing is registered", async (_what, id, inputs, path) => {
    const p = await platforms.open();
    await expect(add(p, id, { inputs: inputs(), name: "refused" })).rejects.toMatchObject({ code: "request_invalid", issues: [{ path }] });
    const { items } = await p.call(routes.listMcpServers, { query: { limit: 200 } });
    expect(items.map(({ name }) => name)).not.toContain("refused");
  });

  test("is not found where there is none", async () => {
    const p = await platforms.open();
    await expect(add(p, "no-such-server", {})).rejects.toMatchObject({ code: "not_found" });
    expect((await p.call(routes.listWellKnownServers, { query: { q: "filesystem" } })).items).toMatchObject([
      { id: "filesystem", bundled: true },
    ]);
  });
});
