import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import type { Message } from "#contract/messages.ts";
import { everythingServer } from "#test/support/mcp/everything.ts";
import { eventually } from "#test/support/eventually.ts";
import { liveEventsOf, type LiveEvents } from "#test/support/live-events.ts";
import { published } from "#test/support/mcp/platform.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

/* How far a call has come, from a server through the platform to whoever watches a run. */
let platform: StartedPlatform;
let stream: LiveEvents;
const toEnd: (() => Promise<void>)[] = [];

beforeAll(async () => {
  platform = await startedPlatform();
  stream = await liveEventsOf(platform);
  const url = async (transport: "streamableHttp" | "sse"): Promise<string> => {
    const fixture = await everythingServer(transport);
    toEnd.push(() => fixture.close());
    return fixture.url;
  };
  const launches = {
    "by-stdio": published("everything", "stdio"),
    "by-http": { transport: "http", url: await url("streamableHttp") },
    "by-sse": { transport: "http", url: await url("sse") },
  } as const;
  for (const [name, launch] of Object.entries(launches)) await platform.client.createMcpServer({ body: { name, launch } });
}, 120_000);
afterAll(async () => {
  stream.stop();
  await platform.close();
  for (const end of toEnd) await end();
});

const TOOL = "trigger-long-running-operation";
const callOf = (server: string, args: object, parentId?: string) => ({
  id: "work",
  type: "mcp_tool",
  data: { server, tool: TOOL, arguments: args },
  ...(parentId !== undefined && { parentId }),
});

async function finished(name: string, nodes: object[], way: readonly string[]): Promise<string> {
  const { client } = platform;
  const ends = [
    { id: "start", type: "start" },
    { id: "end", type: "end" },
  ];
  const edges = way.map((arrow, at) => {
    const [source = "", target = ""] = arrow.split(">");
    return { id: `e${at}`, source, target };
  });
  const definition = { version: 2, name, nodes: [...ends, ...nodes], edges };
  const { id } = await client.createWorkflow({ body: { name, definition } });
  const { id: runId } = await client.startRun({ params: { id }, body: {} });
  expect(await client.waitForRun(runId)).toMatchObject({ status: "succeeded" });
  return runId;
}

const toldOf = (runId: string) => stream.of("step_progress").filter((event) => event.runId === runId);
const framesOf = (runId: string, method: string, count: number): Promise<Message[]> =>
  eventually(
    async () => (await platform.client.listMessages({ query: { runId, limit: 200 } })).items.filter((one) => one.method === method),
    (found) => found.length >= count,
  );

describe("the progress of a run's step", () => {
  test.each(["by-stdio", "by-http", "by-sse"])("is told live, twice a second at most, and recorded with its step: %s", async (server) => {
    const began = performance.now();
    const runId = await finished(server, [callOf(server, { duration: 2, steps: 20 })], ["start>work", "work>end"]);
    const most = (performance.now() - began) / LIMITS.stepProgressMs + 1;
    const told = toldOf(runId);
    expect(told.length).toBeGreaterThanOrEqual(3);
    expect(told.length).toBeLessThanOrEqual(most);
    expect(told.at(-1)).toMatchObject({ type: "step_progress", runId, scope: "", nodeId: "work", progress: 20, total: 20 });
    const steps = told.map(({ progress }) => progress);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    // Told while the step was under way: the run's own end comes after it.
    const ended = stream.of("run").find((event) => event.runId === runId && event.status === "succeeded");
    expect(told.at(-1)?.at).toBeLessThanOrEqual(ended?.at ?? 0);

    const notified = await framesOf(runId, "notifications/progress", 20);
    expect(notified).toHaveLength(20);
    const request = (await framesOf(runId, "tools/call", 2)).find(({ kind }) => kind === "request");
    for (const frame of notified)
      expect(frame).toMatchObject({ runId, scope: "", nodeId: "work", direction: "in", tool: TOOL, correlationId: request?.correlationId });
  });

  test("of several at once on one connection is each one's own", async () => {
    const map = { id: "each", type: "map", data: { items: "=[4, 6, 8]", concurrency: 3 } };
    const work = callOf("by-stdio", { duration: 1, steps: "=item" }, "each");
    const runId = await finished("several", [map, work], ["start>each", "each>end"]);
    const last = (scope: string) => toldOf(runId).findLast((event) => event.scope === scope);
    expect([0, 1, 2].map((at) => last(`/each[${at}]`))).toMatchObject(
      [4, 6, 8].map((total) => ({ nodeId: "work", progress: total, total })),
    );
    const notified = await framesOf(runId, "notifications/progress", 18);
    const inScope = (scope: string) => notified.filter((frame) => frame.scope === scope).length;
    expect([0, 1, 2].map((at) => inScope(`/each[${at}]`))).toEqual([4, 6, 8]);
  });
});

test("a call outside a run has its progress among the server's frames, joined to the call", async () => {
  const { client } = platform;
  const { items: servers } = await client.listMcpServers({ query: {} });
  const server = servers.find(({ name }) => name === "by-stdio");
  const { items } = await client.listServerTools({ params: { id: server?.id ?? "" } });
  const tool = items.find(({ name }) => name === TOOL);
  const before = stream.of("step_progress").length;
  await client.callTool({ params: { id: tool?.id ?? "" }, body: { arguments: { duration: 0.3, steps: 3 }, timeoutMs: 5_000 } });
  const found = await eventually(
    async () => (await client.listServerFrames({ params: { id: server?.id ?? "" }, query: { tool: TOOL, limit: 5 } })).items,
    ([answer]) => answer?.runId === null && answer.kind === "response",
  );
  expect(found.map(({ kind, runId }) => [kind, runId])).toEqual([
    ["response", null],
    ...Array.from({ length: 3 }, () => ["notification", null]),
    ["request", null],
  ]);
  expect(new Set(found.map(({ correlationId }) => correlationId)).size).toBe(1);
  expect(stream.of("step_progress")).toHaveLength(before);
});
