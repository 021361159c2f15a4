import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { z } from "zod";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { completeMcp, completeTool } from "#contract/mcp/completion.ts";
import { getMcpPrompt, listMcpPrompts } from "#contract/mcp/prompts.ts";
import {
  listMcpResourceTemplates,
  listMcpResources,
  type ReadMcpResource,
  readMcpResource,
  streamMcpResource,
} from "#contract/mcp/resources.ts";
import { callTool } from "#contract/mcp/tools.ts";
import { restartMcpServer, stopMcpServer } from "#contract/mcp/servers.ts";
import { EventStream, type SseEvent } from "#server/kernel/handle.ts";
import { callerOf, mcpPlatforms, published, register, toolNamed, type McpPlatform } from "#test/support/mcp/platform.ts";
import { talkativeLaunch } from "#test/support/mcp/talk.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let elsewhere: TestDatabase;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
  elsewhere = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(async () => {
  await db.close();
  await elsewhere.close();
});

async function serverOf(launch: Parameters<typeof register>[1]): Promise<{ p: McpPlatform; id: string }> {
  const p = await platforms.open();
  const { id } = await register(p, launch);
  return { p, id };
}
const read = (p: McpPlatform, id: string, body: z.input<typeof ReadMcpResource>) => p.call(readMcpResource, { params: { id }, body });
const call = async (p: McpPlatform, id: string, name: string, args: Record<string, string> = {}) =>
  p.call(callTool, { params: { id: (await toolNamed(p, id, name)).id }, body: { arguments: args, timeoutMs: 10_000 } });

describe("resources", () => {
  test("of the published server: listed, read by address and by template", async () => {
    const { p, id } = await serverOf(published("everything"));
    const { items, isStale } = await p.call(listMcpResources, { params: { id } });
    expect(isStale).toBe(false);
    const [first] = items;
    expect((await read(p, id, { uri: first?.uri ?? "" })).contents).toMatchObject([{ uri: first?.uri }]);
    const templates = await p.call(listMcpResourceTemplates, { params: { id } });
    const template = templates.items.find(({ uriTemplate }) => uriTemplate.includes("text"));
    expect(template?.variables).toEqual(["resourceId"]);
    const contents = await read(p, id, { uriTemplate: template?.uriTemplate ?? "", variables: { resourceId: "7" } });
    expect(contents).toMatchObject({ uri: "demo://resource/dynamic/text/7", contents: [{ text: expect.stringContaining("7") }] });
  });

  test.each([
    ["a file that the server does not list", { uri: "file:///etc/passwd" }, "mcp_uri_refused"],
    ["climbing out of a template", { uriTemplate: "notes://of/{who}", variables: { who: ".." } }, "mcp_uri_refused"],
    ["a template that is not the server's", { uriTemplate: "file://{+path}", variables: { path: "/etc/passwd" } }, "mcp_uri_refused"],
    ["what the server does not have", { uri: "notes://never" }, "mcp_protocol_error"],
  ])("refused: %s", async (_name, body, code) => {
    const { p, id } = await serverOf(talkativeLaunch);
    const asked = p.recorded.length;
    await expect(read(p, id, body)).rejects.toMatchObject({ code });
    if (code === "mcp_uri_refused") expect(p.recorded.slice(asked).filter(({ method }) => method === "resources/read")).toEqual([]);
  });

  test("an address of 1 MiB is no request at all", async () => {
    const { p, id } = await serverOf(talkativeLaunch);
    await expect(read(p, id, { uri: `notes://${"a".repeat(1024 * 1024)}` })).rejects.toThrow(/Too big/);
  });

  test("another tenant's server is not there", async () => {
    const { p, id } = await serverOf(talkativeLaunch);
    const stranger = callerOf(elsewhere.tenantId, "owner");
    for (const route of [listMcpResources, listMcpResourceTemplates, listMcpPrompts])
      await expect(p.call(route, { params: { id } }, stranger)).rejects.toMatchObject({ code: "not_found" });
    await expect(p.call(readMcpResource, { params: { id }, body: { uri: "notes://today" } }, stranger)).rejects.toMatchObject({
      code: "not_found",
    });
  });

  const watching = async (p: McpPlatform, id: string, signal: AbortSignal): Promise<EventStream> => {
    const handled = p.mcp.routes.find(({ route }) => route === streamMcpResource);
    const request = { caller: callerOf(db.tenantId, "owner"), requestId: "1", signal, body: undefined, headers: undefined };
    const stream = await handled?.run({ ...request, params: { id }, query: { uri: "notes://today" } });
    if (!(stream instanceof EventStream)) throw new Error("no stream");
    return stream;
  };

  test("changes are told of, and what could have been missed over a restart too", async () => {
    const { p, id } = await serverOf(talkativeLaunch);
    const gone = new AbortController();
    const stream = await watching(p, id, gone.signal);
    const seen: SseEvent[] = [];
    const reading = (async () => {
      for await (const event of stream.events) seen.push(event);
    })();
    await call(p, id, "write", { note: "rain" });
    await vi.waitFor(() => expect(seen).toEqual([{ event: "updated", data: { uri: "notes://today" } }]));
    const [pid] = (await db.ownerPool.query("select pid from mcp_servers where id = $1", [id])).rows;
    process.kill(pid.pid, "SIGKILL");
    await vi.waitFor(() => expect(seen.at(-1)).toMatchObject({ event: "resync" }), { timeout: 15_000 });
    await call(p, id, "write", { note: "snow" });
    await vi.waitFor(() => expect(seen.at(-1)).toMatchObject({ event: "updated" }));
    await p.call(restartMcpServer, { params: { id } });
    await vi.waitFor(() => expect(seen.at(-1)).toMatchObject({ event: "resync" }), { timeout: 15_000 });
    gone.abort();
    await reading;
    // A client that goes before it has read anything leaves no subscription behind.
    const left = new AbortController();
    const ends = (): number => p.recorded.filter(({ method }) => /cancelled|unsubscribe/.test(method)).length;
    await watching(p, id, left.signal);
    const before = ends();
    left.abort();
    await vi.waitFor(() => expect(ends()).toBeGreaterThan(before));
  });

  test("lists follow the server, and stay while it is away", async () => {
    const { p, id } = await serverOf(talkativeLaunch);
    const names = async () => (await p.call(listMcpPrompts, { params: { id } })).items.map(({ name }) => name);
    const uris = async () => (await p.call(listMcpResources, { params: { id } })).items.map(({ uri }) => uri);
    expect([await names(), await uris()]).toEqual([["greet"], ["notes://today", "notes://slow"]]);
    await call(p, id, "grow");
    await vi.waitFor(async () => expect(await names()).toContain("added"));
    await vi.waitFor(async () => expect(await uris()).toContain("notes://tomorrow"));
    await p.call(stopMcpServer, { params: { id } });
    expect(await p.call(listMcpPrompts, { params: { id } })).toMatchObject({ isStale: true });
    expect(await names()).toContain("added");
  });

  test("a server without resources says so", async () => {
    const folder = await mkdtemp(join(tmpdir(), "auterity-roots-"));
    const { p, id } = await serverOf(published("filesystem", folder));
    expect((await p.call(listMcpResources, { params: { id } })).items).toEqual([]);
    await expect(read(p, id, { uri: "notes://x" })).rejects.toMatchObject({ code: "mcp_unsupported" });
    await rm(folder, { recursive: true });
  });
});

describe("prompts and completion", () => {
  test("of the published server", async () => {
    const { p, id } = await serverOf(published("everything"));
    const { items } = await p.call(listMcpPrompts, { params: { id } });
    expect(items.find(({ name }) => name === "args-prompt")?.arguments).toMatchObject([
      { name: "city", required: true },
      { name: "state" },
    ]);
    const body = { arguments: { city: "Bern" }, timeoutMs: 10_000 };
    expect((await p.call(getMcpPrompt, { params: { id, name: "args-prompt" }, body })).messages).toMatchObject([
      { role: "user", content: { text: expect.stringContaining("Bern") } },
    ]);
    await expect(p.call(getMcpPrompt, { params: { id, name: "none" }, body })).rejects.toMatchObject({ code: "mcp_prompt_unknown" });
    const complete = (value: string, context?: Record<string, string>) =>
      p.call(completeMcp, {
        params: { id },
        body: {
          ref: { type: "prompt", name: "completable-prompt" },
          argument: { name: context ? "name" : "department", value },
          context,
          timeoutMs: 10_000,
        },
      });
    expect((await complete("M")).values).toEqual(["Marketing"]);
    expect((await complete("A", { department: "Engineering" })).values).toContain("Alice");
  });

  test("variables of a template, and a tool's own schema", async () => {
    const { p, id } = await serverOf(talkativeLaunch);
    const ref = { type: "resource", uriTemplate: "notes://of/{who}" } as const;
    const body = { ref, argument: { name: "who", value: "b" }, timeoutMs: 10_000 };
    expect((await p.call(completeMcp, { params: { id }, body })).values).toEqual(["bert"]);
    for (const uriTemplate of ["file://{+path}", "file:///etc/passwd", "notes://of/../{who}"])
      await expect(p.call(completeMcp, { params: { id }, body: { ...body, ref: { ...ref, uriTemplate } } })).rejects.toMatchObject({
        code: "mcp_uri_refused",
      });
    const tool = await toolNamed(p, id, "count");
    const { items } = await p.call(completeTool, { params: { id: tool.id }, query: { path: "" } });
    expect(items).toMatchObject([
      { value: "everyMs", type: "number", isRequired: true },
      { value: "steps", isRequired: true },
    ]);
  });
});
