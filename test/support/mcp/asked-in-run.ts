import type { McpQuestion } from "#contract/mcp/questions.ts";
import type { Json } from "#contract/common.ts";
import type { Client } from "#sdk/client.ts";
import { newId } from "#server/kernel/ids.ts";
import { eventually } from "../eventually.ts";
import { talkativeLaunch } from "./talk.ts";

type Asking = { name?: string; launch?: typeof talkativeLaunch; tool?: string; arguments?: Record<string, Json> };

/** Starts a run whose step calls a tool of a new server, and answers the question that the server then asks. */
export async function askedInRun(client: Client, asking: Asking = {}): Promise<McpQuestion> {
  const { name = `asks-${newId()}`, launch = talkativeLaunch, tool = "introduce", arguments: args = {} } = asking;
  await client.createMcpServer({ body: { name, launch } });
  const definition = {
    version: 2,
    name: `${name} is asked`,
    nodes: [
      { id: "start", type: "start" },
      { id: "ask", type: "mcp_tool", data: { server: name, tool, arguments: args } },
      { id: "end", type: "end", data: { output: "=steps.ask.text" } },
    ],
    edges: [
      { id: "a", source: "start", target: "ask" },
      { id: "b", source: "ask", target: "end" },
    ],
  };
  const { id } = await client.createWorkflow({ body: { name: definition.name, definition } });
  const { id: runId } = await client.startRun({ params: { id }, body: {} });
  const { items } = await eventually(
    () => client.listMcpQuestions({ query: { runId } }),
    (page) => page.items.length > 0,
  );
  const [question] = items;
  if (!question) throw new Error("nothing is asked");
  return question;
}
