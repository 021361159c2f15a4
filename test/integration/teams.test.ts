import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import type { Json } from "#contract/common.ts";
import { defineAgent, skill, type RunningAgent } from "#sdk/agent.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let chief: RunningAgent;

/** Asks the model once, then is done with what it has said. */
const lead = skill({
  input: z.object({ text: z.string(), transcript: z.array(z.object({ member: z.string(), said: z.json() })) }),
  effect: "idempotent",
  run: async ({ transcript }): Promise<Json> => {
    const last = transcript.at(-1);
    return last?.member === "writer" ? { done: true, output: last.said } : { next: "writer", input: "Shorten it." };
  },
});

beforeAll(async () => {
  platform = await startedPlatform();
  const { client, url } = platform;
  const { token = "" } = await client.createAgent({ body: { name: "chief", endpoint: { kind: "custom" } } });
  chief = defineAgent({ url, token, name: "chief", version: "1.0", skills: { lead } });
  await chief.start();
  await client.allowEgressTarget({ body: { url, purpose: "http" } });
});
afterAll(async () => {
  await chief.stop();
  await platform.close();
});

const nodes = (url: string): Json => [
  { id: "start", type: "start" },
  { id: "fetch", type: "http", data: { url: `${url}/healthz` } },
  { id: "count", type: "code", data: { input: "=steps.fetch", source: "return { status: input.status, keys: Object.keys(input.body) };" } },
  {
    id: "crew",
    type: "team",
    data: {
      mode: "supervisor",
      members: [
        { name: "boss", agent: "chief" },
        { name: "writer", agent: "offline", instructions: "Task: summarise in 1 sentence" },
      ],
      input: "=input.text",
    },
  },
  { id: "end", type: "end", data: { output: { count: "=steps.count", team: "=steps.crew" } } },
];
const edges: Json = ["start>fetch", "fetch>count", "count>crew", "crew>end"].map((id) => {
  const [source = "", target = ""] = id.split(">");
  return { id, source, target };
});

test("a request, code and a team of a program and a model work in one run, and every turn can be seen", async () => {
  const { client, url } = platform;
  const definition: Json = { version: 2, name: "All together", nodes: nodes(url), edges };
  const workflow = await client.createWorkflow({ body: { name: "All together", definition } });
  const text = "The brakes squeal. The customer waits. Brakes that squeal need new brake pads.";
  const { id } = await client.startRun({ params: { id: workflow.id }, body: { input: { text } } });
  const { status, output, error } = await client.waitForRun(id);
  expect({ status, error }).toEqual({ status: "succeeded", error: null });
  expect(output).toMatchObject({
    count: { status: 200, keys: expect.arrayContaining(["status"]) },
    team: { turns: 3, output: expect.any(String), transcript: [{ member: "boss" }, { member: "writer" }, { member: "boss" }] },
  });
  const { items } = await client.getRunJournal({ params: { id }, query: { limit: 1_000 } });
  const bound = items.flatMap((event) => (event.kind === "step_bound" ? [[event.scope, event.body.binding] as const] : []));
  expect(bound).toMatchObject([
    ["/crew[0]", { agentVersion: "1.0", skill: "lead" }],
    ["/crew[1]", { agent: "offline", model: "extractive" }],
    ["/crew[2]", { agentVersion: "1.0", skill: "lead" }],
  ]);
});
