import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "#test/support/eventually.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
beforeAll(async () => {
  platform = await startedPlatform();
});
afterAll(() => platform.close());

const waiting = (id: string, type: "wait" | "transform" = "wait") => ({
  version: 2,
  name: "Waits",
  nodes: [
    { id: "start", type: "start" },
    type === "wait" ? { id, type, data: { signal: "go" } } : { id, type, data: { output: 1 } },
    { id: "end", type: "end" },
  ],
  edges: [
    { id: "a", source: "start", target: id },
    { id: "b", source: id, target: "end" },
  ],
});

describe("publishing", () => {
  test("says how the runs that are under way fit the new version, and a mapping moves those that need one", async () => {
    const { client } = platform;
    const workflow = await client.createWorkflow({ body: { name: "Waits", definition: waiting("pause") } });
    const params = { id: workflow.id };
    const run = await client.startRun({ params, body: {} });
    const parked = () => client.getRun({ params: { id: run.id } });
    await eventually(parked, ({ status }) => status === "waiting");

    const publish = (definition: ReturnType<typeof waiting>) => client.updateWorkflow({ params, body: { definition } });
    const none = { compatible: 0, needsMapping: 0, mustFinish: 0, hasMore: false };
    const described = { ...waiting("pause"), description: "the same, described" };
    expect((await publish(described)).liveRuns).toEqual({ ...none, compatible: 1 });
    expect((await publish(waiting("pause", "transform"))).liveRuns).toEqual({ ...none, mustFinish: 1 });
    const renamed = await publish(waiting("hold"));
    expect(renamed.liveRuns).toEqual({ ...none, needsMapping: 1 });

    const version = { ...params, version: renamed.version };
    const { items } = await client.moveRuns({ params: version, body: { nodes: { pause: "hold" } } });
    expect(items).toMatchObject([{ runId: run.id, outcome: "accepted" }]);
    await eventually(parked, (now) => now.version === renamed.version && now.status === "waiting");
    await client.signalRun({ params: { id: run.id, signal: "go" }, body: { payload: null } });
    expect(await client.waitForRun(run.id)).toMatchObject({ status: "succeeded", version: renamed.version });
  });
});
