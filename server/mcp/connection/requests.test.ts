import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { published } from "#test/support/mcp/platform.ts";
import { talkTo, talkativeHttpServer, talkativeLaunch, type Talk } from "#test/support/mcp/talk.ts";
import type { HttpFixture } from "#test/support/mcp/modern-server.ts";

// Real processes, on whatever machine this is.
vi.setConfig({ testTimeout: 60_000 });
const options = { timeoutMs: 10_000 };
let http: HttpFixture;
beforeAll(async () => {
  http = await talkativeHttpServer();
});
afterAll(() => http.close());

const open: Talk[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((talk) => talk.close()));
});
const talk = async (...args: Parameters<typeof talkTo>): Promise<Talk> => {
  const opened = await talkTo(...args);
  open.push(opened);
  return opened;
};

const CASES = [
  ["stdio, 2026", () => talk(talkativeLaunch), "modern"],
  ["stdio, 2025", () => talk(talkativeLaunch, "legacy"), "legacy"],
  ["HTTP, 2026", () => talk({ url: http.url }), "modern"],
  ["HTTP, 2025", () => talk({ url: http.url }, "legacy"), "legacy"],
] as const;

describe.each(CASES)("the whole protocol over %s", (_name, connect, era) => {
  test("resources, templates, prompts, completion and ping", async () => {
    const server = await connect();
    expect(server.era).toBe(era);
    await server.ping(options);
    expect((await server.listResources(options)).map(({ uri }) => uri)).toEqual(["notes://today", "notes://slow"]);
    expect((await server.listResourceTemplates(options)).map(({ uriTemplate }) => uriTemplate)).toEqual(["notes://of/{who}"]);
    expect((await server.readResource("notes://today", options)).contents).toMatchObject([{ text: "sun" }]);
    expect((await server.listPrompts(options)).map(({ name }) => name)).toEqual(["greet"]);
    const { messages } = await server.getPrompt({ name: "greet", arguments: { who: "anna" } }, options);
    expect(messages).toMatchObject([{ content: { text: "Greet anna" } }]);
    const ofPrompt = { ref: { type: "ref/prompt" as const, name: "greet" }, argument: { name: "who", value: "b" } };
    expect((await server.complete(ofPrompt, options)).values).toEqual(["bert"]);
    const ofTemplate = { ref: { type: "ref/resource" as const, uri: "notes://of/{who}" }, argument: { name: "who", value: "c" } };
    expect((await server.complete(ofTemplate, options)).values).toEqual(["carla"]);
  });

  test("progress is told, and a call that tells of progress for ever still ends", async () => {
    const server = await connect();
    const told: number[] = [];
    const call = {
      name: "count",
      arguments: { steps: 3, everyMs: 5 },
      onProgress: ({ progress }: { progress: number }) => told.push(progress),
    };
    expect((await server.callTool({ ...call, ...options })).content).toMatchObject([{ text: "counted to 3" }]);
    expect(told).toEqual([1, 2, 3]);
    const endless = { ...call, arguments: { steps: 1_000_000, everyMs: 20 }, idleMs: 1_000, timeoutMs: 1_200 };
    await expect(server.callTool(endless)).rejects.toMatchObject({ code: "REQUEST_TIMEOUT", data: { timeout: 1_200 } });
    const silent = { name: "count", arguments: { steps: 1, everyMs: 5_000 }, idleMs: 100, timeoutMs: 5_000 };
    await expect(server.callTool(silent)).rejects.toMatchObject({ code: "REQUEST_TIMEOUT", data: { timeout: 100 } });
    const slow = { ...call, arguments: { steps: 8, everyMs: 250 }, idleMs: 1_500, timeoutMs: 20_000 };
    expect((await server.callTool(slow)).content).toMatchObject([{ text: "counted to 8" }]);
  });
});

describe.each(CASES.slice(0, 2))("changes over %s", (_name, connect) => {
  test("a watched resource tells of each update until it is not watched any more", async () => {
    const server = await connect();
    const updates: string[] = [];
    const watcher = () => ({ onUpdated: (uri: string) => updates.push(uri), onEnded: () => updates.push("ended") });
    const unwatch = [
      await server.watchResource("notes://today", watcher(), options),
      await server.watchResource("notes://today", watcher(), options),
    ];
    const write = (note: string) => server.callTool({ name: "write", arguments: { note }, ...options });
    await write("rain");
    await vi.waitFor(() => expect(updates).toEqual(["notes://today", "notes://today"]));
    expect((await server.readResource("notes://today", options)).contents).toMatchObject([{ text: "rain" }]);
    await unwatch[0]?.();
    await write("snow");
    await vi.waitFor(() => expect(updates).toHaveLength(3));
    await unwatch[1]?.();
    await write("hail");
    await server.ping(options);
    expect(updates).toHaveLength(3);
  });

  test("lists that change are told of", async () => {
    const server = await connect();
    await server.callTool({ name: "grow", arguments: {}, ...options });
    await vi.waitFor(() => expect(new Set(server.heard)).toEqual(new Set(["prompts", "resources"])));
    expect((await server.listPrompts(options)).map(({ name }) => name)).toContain("added");
  });
});

test("the published server: resources, templates, prompts and completion", async () => {
  const server = await talk(published("everything"));
  expect((await server.listResources(options)).length).toBeGreaterThan(0);
  expect((await server.listResourceTemplates(options)).length).toBeGreaterThan(0);
  expect((await server.listPrompts(options)).map(({ name }) => name)).toContain("completable-prompt");
  const ref = { type: "ref/prompt" as const, name: "completable-prompt" };
  expect((await server.complete({ ref, argument: { name: "department", value: "E" } }, options)).values).toContain("Engineering");
  await server.setLogLevel("warning", options);
});

test("a server without resources and prompts has empty lists", async () => {
  const server = await talk(published("filesystem", "/tmp"));
  expect(await server.listResources(options)).toEqual([]);
  expect(await server.listPrompts(options)).toEqual([]);
  await server.ping(options);
});
