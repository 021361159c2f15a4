import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { Client } from "#sdk/client.ts";
import { eventually } from "#test/support/eventually.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let client: Client;
beforeAll(async () => {
  platform = await startedPlatform();
  client = platform.client;
});
afterAll(() => platform.close());

async function save(name: string, nodes: readonly Json[], edges: readonly string[]): Promise<string> {
  const definition = {
    version: 2,
    name,
    nodes: [{ id: "start", type: "start" }, ...nodes],
    edges: edges.map((edge) => ({ id: edge, source: edge.split(">")[0] ?? "", target: edge.split(">")[1] ?? "" })),
  };
  return (await client.createWorkflow({ body: { name, definition } })).id;
}
const echo = (name: string) => save(name, [{ id: "end", type: "end", data: { output: "=input" } }], ["start>end"]);
const runsOf = async (workflowId: string) => (await client.listRuns({ query: { workflowId } })).items;

test("a schedule of every second starts runs, and its slots say which", async () => {
  const workflowId = await echo("Ticking");
  const { id } = await client.createSchedule({ body: { workflowId, cron: "* * * * * *", overlap: "allow", input: { tick: true } } });
  const slots = await eventually(
    async () => (await client.listSlots({ params: { id }, query: {} })).items.filter(({ outcome }) => outcome === "fired"),
    (fired) => fired.length >= 2,
  );
  await client.deleteSchedule({ params: { id } });
  const run = await client.waitForRun(slots[0]?.runId ?? "");
  expect(run).toMatchObject({ status: "succeeded", output: { tick: true } });
});

test("the end of a run calls a webhook of this same platform, which starts another workflow", async () => {
  const [first, second] = [await echo("First"), await echo("Second")];
  const hook = await client.createWebhook({ body: { workflowId: second, verification: { kind: "hmac" } } });
  const action = { kind: "webhook", url: `${platform.url}${hook.path}`, secret: hook.secret } as const;
  const listener = await client.createRunListener({ body: { workflowId: first, on: ["succeeded"], action } });
  const run = await client.startRun({ params: { id: first }, body: { input: { n: 1 } } });
  const [started] = await eventually(
    () => runsOf(second),
    (runs) => runs.length === 1,
  );
  expect((await client.waitForRun(started?.id ?? "")).output).toMatchObject({
    body: { event: "run.succeeded", run: { id: run.id, output: { n: 1 } } },
  });
  // The run that the call has started may be over before the answer to the call is written down.
  const { items } = await eventually(
    () => client.listListenerDeliveries({ params: { id: listener.id }, query: {} }),
    ({ items: [delivery] }) => delivery?.outcome === "done",
  );
  expect(items).toMatchObject([{ runId: run.id, outcome: "done" }]);
});

test("a step that waits to be called goes on with what the call brings", async () => {
  const workflowId = await save(
    "Paying",
    [
      { id: "say", type: "transform", data: { output: "=run.hooks.paid" } },
      { id: "paid", type: "wait", data: { webhook: true } },
      { id: "end", type: "end", data: { output: "=steps.paid" } },
    ],
    ["start>say", "say>paid", "paid>end"],
  );
  const { id } = await client.startRun({ params: { id: workflowId }, body: {} });
  const url = await eventually(
    async () => {
      const { items } = await client.getRunJournal({ params: { id }, query: {} });
      return /"(http:[^"]*\.paid)"/.exec(JSON.stringify(items))?.[1] ?? "";
    },
    (found) => found !== "",
  );
  const post = (to: string) => fetch(to, { method: "POST", headers: { "content-type": "application/json" }, body: '{"amount":3}' });
  expect((await post(url.replace(/paid$/, "other"))).status).toBe(404);
  expect((await post(url.replace(/.\.paid$/, "-.paid"))).status).toBe(404);
  const answer = await post(url);
  expect({ status: answer.status, body: await answer.json() }).toEqual({ status: 202, body: { runId: id, repeated: false } });
  expect(await client.waitForRun(id)).toMatchObject({ status: "succeeded", output: { amount: 3 } });
  expect((await post(url)).status).toBe(409);
});
