import { mkdtemp, mkdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Json } from "#contract/common.ts";
import type { Role } from "#contract/permissions.ts";
import { ROUTES as routes } from "#contract/routes.ts";
import { newId } from "#server/kernel/ids.ts";
import { JsonText } from "#server/kernel/ports.ts";
import { callerOf, mcpPlatforms, processesOf, published, settled, type McpPlatform } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let folder: string;
let one: string;
let two: string;
const platforms = mcpPlatforms(() => db);
const checker = () => callerOf(db.tenantId, "admin", "user:checker");

beforeAll(async () => {
  db = await testDatabase();
  folder = await realpath(await mkdtemp(join(tmpdir(), "auterity-roots-")));
  [one, two] = [join(folder, "one"), join(folder, "two")];
  await Promise.all([mkdir(one), mkdir(two)]);
});
afterEach(() => platforms.close());
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

/** The published file server, which lets in what its roots say; registered with these roots and approved. */
async function fileServer(p: McpPlatform, roots: string[] | undefined, maker = callerOf(db.tenantId, "owner", "user:maker")) {
  const body = { name: `s-${newId().slice(-12)}`, launch: published("filesystem", "/usr/share"), settings: roots && { roots } };
  const { id, launchApproved } = await p.call(routes.createMcpServer, { body }, maker);
  if (!launchApproved) await p.call(routes.approveMcpLaunch, { params: { id } }, checker());
  const server = await settled(p, id, "READY");
  if (roots) await vi.waitFor(() => expect(heard(p)).toEqual(roots));
  return server;
}

const contentOf = (content: Json | JsonText): Json => (content instanceof JsonText ? JSON.parse(content.text) : content);
const sentOf = (p: McpPlatform, kind: string, method: string) =>
  p.recorded.filter((frame) => frame.direction === "out" && frame.kind === kind && frame.method === method);
/** The roots that the server was told last. */
function heard(p: McpPlatform): string[] | undefined {
  const last = sentOf(p, "response", "roots/list").at(-1);
  const text = last && JSON.stringify(contentOf(last.content));
  return [one, two, "/"].filter((root) => text?.includes(`"${pathToFileURL(root).href}"`));
}
const told = (p: McpPlatform): number => sentOf(p, "notification", "notifications/roots/list_changed").length;
const change = (p: McpPlatform, id: string, roots: string[] | null, caller = callerOf(db.tenantId, "designer")) =>
  p.call(routes.updateMcpServer, { params: { id }, body: { settings: { roots } } }, caller);

describe("other roots of an approved server", () => {
  test.each<[string, { role: Role; ownerApproves: boolean; waits: boolean }]>([
    ["by a designer wait", { role: "designer", ownerApproves: true, waits: true }],
    ["by an admin of a loopback install are approved by that", { role: "admin", ownerApproves: true, waits: false }],
    ["by an owner of a loopback install are approved by that", { role: "owner", ownerApproves: true, waits: false }],
    ["by an owner elsewhere wait", { role: "owner", ownerApproves: false, waits: true }],
  ])("%s", async (_who, { role, ownerApproves, waits }) => {
    const p = await platforms.open({ ownerApproves });
    const { id, pid } = await fileServer(p, [one]);
    const caller = callerOf(db.tenantId, role);
    const after = await change(p, id, [two], caller);
    expect(after).toMatchObject({ state: "READY", pid, settings: { roots: [two] }, launchApproved: !waits });
    expect(after.approvedRoots).toEqual(waits ? [one] : [two]);
    if (waits) {
      expect([heard(p), told(p)]).toEqual([[one], 0]);
      await p.call(routes.restartMcpServer, { params: { id } }, caller);
      await vi.waitFor(() => expect(sentOf(p, "response", "roots/list").length).toBeGreaterThan(1));
      expect([heard(p), told(p)]).toEqual([[one], 0]);
      expect(await p.call(routes.approveMcpLaunch, { params: { id } }, checker())).toMatchObject({
        launchApproved: true,
        approvedRoots: [two],
      });
      expect(p.audited.at(-1)).toMatchObject({ action: "mcp_server.launch_approved", actor: "user:checker", details: { roots: [two] } });
    } else {
      expect(p.audited).toContainEqual(
        expect.objectContaining({ action: "mcp_server.roots_approved", actor: caller.ref, details: { roots: [two] } }),
      );
    }
    await vi.waitFor(() => expect([heard(p), told(p)]).toEqual([[two], 1]));
    expect(await processesOf(id)).toHaveLength(1);
  });

  test.each<[string, (roots: { one: string; two: string }) => string[] | null]>([
    ["wider ones", () => ["/"]],
    ["one more", (roots) => [roots.one, roots.two]],
    ["none", () => []],
    ["the default", () => null],
  ])("%s wait, and taking them back settles it", async (_what, rootsFrom) => {
    const p = await platforms.open();
    const { id } = await fileServer(p, [one]);
    const roots = rootsFrom({ one, two });
    expect(await change(p, id, roots)).toMatchObject({ state: "READY", launchApproved: false, approvedRoots: [one] });
    expect(p.audited.at(-1)).toMatchObject({ action: "mcp_server.updated", actor: "user:designer", details: { roots } });
    const { findings } = await p.call(routes.checkMcpServer, { params: { id } });
    expect(findings).toMatchObject([{ path: "settings.roots", code: "launch_not_approved" }]);
    expect(await change(p, id, [one])).toMatchObject({ launchApproved: true, approvedRoots: [one] });
    expect([heard(p), told(p)]).toEqual([[one], 0]);
  });

  test("other settings neither wait nor approve them", async () => {
    const p = await platforms.open();
    const { id } = await fileServer(p, [one]);
    await change(p, id, ["/"]);
    const settings = { idleTimeoutMs: 5_000 };
    const after = await p.call(routes.updateMcpServer, { params: { id }, body: { settings, description: "Files" } });
    expect(after).toMatchObject({ settings: { roots: ["/"], idleTimeoutMs: 5_000 }, launchApproved: false, approvedRoots: [one] });
    const relaunched = await p.call(routes.updateMcpServer, { params: { id }, body: { launch: published("filesystem", one) } });
    expect(relaunched).toMatchObject({ state: "READY", launchApproved: false, approvedRoots: [one] });
    expect(await change(p, id, ["/"], callerOf(db.tenantId, "owner"))).toMatchObject({ launchApproved: true, approvedRoots: ["/"] });
  });

  test("are approved with the launch at registration, and not before", async () => {
    const p = await platforms.open();
    const body = { name: `s-${newId().slice(-12)}`, launch: published("filesystem", "/usr/share"), settings: { roots: ["/"] } };
    const { id, approvedRoots } = await p.call(routes.createMcpServer, { body }, callerOf(db.tenantId, "designer"));
    expect(approvedRoots).toBeNull();
    expect(await p.call(routes.approveMcpLaunch, { params: { id } })).toMatchObject({ state: "READY", approvedRoots: ["/"] });
    await vi.waitFor(() => expect(heard(p)).toEqual(["/"]));
  });

  test("whoever asked for something that waits approves none of it, also for a server of somebody else", async () => {
    const p = await platforms.open({ ownerApproves: false });
    const { id } = await fileServer(p, [one]);
    const [first, second] = [callerOf(db.tenantId, "admin", "user:first"), callerOf(db.tenantId, "admin", "user:second")];
    const approve = (caller: typeof first) => p.call(routes.approveMcpLaunch, { params: { id } }, caller);
    await change(p, id, ["/"], first);
    await expect(approve(first)).rejects.toMatchObject({ code: "permission_denied" });
    await change(p, id, [two], second);
    for (const maker of [first, second]) await expect(approve(maker)).rejects.toMatchObject({ code: "permission_denied" });
    expect(heard(p)).toEqual([one]);
    expect(await approve(callerOf(db.tenantId, "owner", "user:maker"))).toMatchObject({ approvedRoots: [two] });
  });

  test("reach the other processes when they are approved", async () => {
    const shared = { isShared: true, timings: { followMs: 20 } };
    const [here, there] = [await platforms.open(shared), await platforms.open(shared)];
    const { id } = await fileServer(here, [one]);
    await there.mcp.start();
    await vi.waitFor(() => expect(heard(there)).toEqual([one]), { timeout: 15_000 });
    await change(here, id, [two]);
    await vi.waitFor(async () =>
      expect((await there.call(routes.getMcpServer, { params: { id } })).settings).toMatchObject({ roots: [two] }),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(heard(there)).toEqual([one]);
    await here.call(routes.approveMcpLaunch, { params: { id } });
    for (const p of [here, there]) await vi.waitFor(() => expect(heard(p)).toEqual([two]), { timeout: 5_000 });
  });
});
