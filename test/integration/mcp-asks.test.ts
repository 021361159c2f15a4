import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { ServerSettings } from "#contract/mcp/settings.ts";
import type { Role } from "#contract/permissions.ts";
import { createClient, type Client } from "#sdk/client.ts";
import { newId } from "#server/kernel/ids.ts";
import { published } from "#test/support/mcp/platform.ts";
import { addMember, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let folder: string;
beforeAll(async () => {
  platform = await startedPlatform();
  folder = await realpath(await mkdtemp(join(tmpdir(), "auterity-asks-")));
});
afterAll(async () => {
  await platform.close();
  await rm(folder, { recursive: true, force: true });
});

async function serverWith(settings: ServerSettings, ...launch: Parameters<typeof published>): Promise<string> {
  const { id } = await platform.client.createMcpServer({ body: { name: `s-${newId()}`, launch: published(...launch), settings } });
  return id;
}
async function call(serverId: string, name: string, args: Record<string, string | number> = {}): Promise<string> {
  const { items } = await platform.client.listServerTools({ params: { id: serverId } });
  const tool = items.find((one) => one.name === name);
  if (!tool) throw new Error(`no tool ${name}`);
  await platform.client.approveTool({ params: { id: tool.id }, body: { hash: tool.hash } });
  return (await platform.client.callTool({ params: { id: tool.id }, body: { arguments: args } })).text;
}

test("a server asks a registered model, as often as it may, and it is audited before", async () => {
  const id = await serverWith({ sampling: { model: "offline/extractive", maxTokens: 50, perMinute: 1 } }, "everything");
  const prompt = "Bees make honey. Bees live in hives. Honey is sweet.";
  expect(await call(id, "trigger-sampling-request", { prompt, maxTokens: 1_000 })).toMatch(/bees|honey/i);
  const { items } = await platform.client.listAudit({ query: { action: "mcp_sampling.asked" } });
  expect(items[0]).toMatchObject({ actor: `mcp_server:${id}`, target: "model:offline/extractive", details: { maxTokens: 50 } });
  expect(await call(id, "trigger-sampling-request", { prompt, maxTokens: 10 })).toMatch(/1 times a minute/);
  await expect(serverWith({}, "everything").then((plain) => call(plain, "trigger-sampling-request", { prompt }))).rejects.toThrow(
    /no tool/,
  );
});

test("a server works in its roots, and hears when they change", async () => {
  const id = await serverWith({ roots: [folder] }, "filesystem", "/usr/share");
  const allowed = (): Promise<string> => call(id, "list_allowed_directories");
  await vi.waitFor(async () => expect(await allowed()).toContain(folder), { timeout: 10_000 });
  const other = await realpath(await mkdtemp(join(folder, "other-")));
  await platform.client.updateMcpServer({ params: { id }, body: { settings: { roots: [other] } } });
  await vi.waitFor(async () => expect(await allowed()).toContain(other), { timeout: 10_000 });
});

test("roots that a designer sets are what the server works in once somebody has approved them", async () => {
  const superuser = await platform.sql();
  const as = async (role: Role): Promise<Client> =>
    createClient({ url: platform.url, token: await addMember(superuser, { role, name: `the ${role} of roots` }) });
  const [designer, approver] = [await as("designer"), await as("admin")];
  const id = await serverWith({ roots: [folder] }, "filesystem", "/usr/share");
  const params = { id };
  const allowed = (): Promise<string> => call(id, "list_allowed_directories");
  await vi.waitFor(async () => expect(await allowed()).toContain(folder), { timeout: 10_000 });
  const wider = await designer.updateMcpServer({ params, body: { settings: { roots: ["/"] } } });
  expect(wider).toMatchObject({ state: "READY", launchApproved: false, approvedRoots: [folder] });
  await expect(designer.approveMcpLaunch({ params })).rejects.toMatchObject({ code: "permission_denied" });
  await designer.restartMcpServer({ params });
  await vi.waitFor(async () => expect(await allowed()).toContain(folder), { timeout: 10_000 });
  expect((await allowed()).split("\n")).not.toContain("/");
  expect(await approver.approveMcpLaunch({ params })).toMatchObject({ launchApproved: true, approvedRoots: ["/"] });
  await vi.waitFor(async () => expect((await allowed()).split("\n")).toContain("/"), { timeout: 10_000 });
  const { items } = await platform.client.listAudit({ query: { action: "mcp_server.launch_approved" } });
  expect(items[0]).toMatchObject({ target: `mcp_server:${id}`, details: { roots: ["/"] } });
});
