import { expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import type { AffectedWorkflow } from "#contract/mcp/tool-review.ts";
import { LiveEvent } from "#contract/system.ts";
import { silentLog } from "#server/kernel/log.ts";
import { createToolNews, type ToldTool } from "./tool-news.ts";

const server = { id: "s", tenantId: "t", name: "files", environment: "production" } as const;
const version = (workflowId: string): AffectedWorkflow => ({ workflowId, name: "w", version: 1, isNewest: true, nodes: [], liveRuns: 0 });
const tools = (count: number, change: ToldTool["change"]): ToldTool[] =>
  Array.from({ length: count }, (_, at) => ({ id: `${at}`, name: `tool${at}`, change }));

function newsWith(workflowsUsing: (tool: { tool: string }) => Promise<AffectedWorkflow[]>) {
  const asked: string[] = [];
  const published: LiveEvent[] = [];
  const live = { publish: (_tenant: string, event: LiveEvent) => void published.push(event), subscribe: () => () => {} };
  const news = createToolNews({
    live,
    log: silentLog,
    workflowsUsing: (tool) => {
      asked.push(tool.tool);
      return workflowsUsing(tool);
    },
  });
  return { news, asked, published };
}

test("news of many tools name so many of them and of the workflows as a hint may, and say how many there are", async () => {
  const many = LIMITS.liveTools + 5;
  const { news, asked, published } = newsWith(async ({ tool }) =>
    Array.from({ length: LIMITS.liveWorkflows + 5 }, (_, at) => version(`${tool} ${at}`)),
  );
  const changed = tools(many, "changed");
  const workflows = await news.affected(server, changed);
  expect(asked).toHaveLength(LIMITS.liveTools);
  expect(workflows.get("0")).toHaveLength(LIMITS.liveWorkflows);
  news.tell(server, changed, workflows);
  const [event] = published;
  expect(event).toMatchObject({ type: "mcp_tools", serverId: "s", count: many, tools: changed.slice(0, LIMITS.liveTools) });
  expect(event).toMatchObject({ workflows: Array.from({ length: LIMITS.liveWorkflows }, (_, at) => `tool0 ${at}`) });
  expect(LiveEvent.parse(event)).toEqual(event);
});

test("a workflow is named once, however many of its versions and steps call the tools; nobody is asked about new ones", async () => {
  const { news, asked, published } = newsWith(async () => [version("w1"), version("w1"), version("w2")]);
  const told = [...tools(2, "changed"), { id: "9", name: "fresh", change: "new" as const }];
  news.tell(server, told, await news.affected(server, told));
  expect(asked).toEqual(["tool0", "tool1"]);
  expect(published).toMatchObject([{ count: 3, workflows: ["w1", "w2"] }]);
});

test("news are told although the workflows cannot be found", async () => {
  const { news, published } = newsWith(() => Promise.reject(new Error("away")));
  const told = tools(1, "gone");
  news.tell(server, told, await news.affected(server, told));
  expect(published).toMatchObject([{ count: 1, workflows: [] }]);
});
