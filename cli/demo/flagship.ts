import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pc from "picocolors";
import { Json } from "#contract/common.ts";
import type { CreateAgent } from "#contract/agents.ts";
import type { CreateMcpServer } from "#contract/mcp/servers.ts";
import type { Platform } from "#server/main.ts";
import { createClient, type Client } from "#sdk/client.ts";
import { saveWorkflow } from "../commands/run.ts";
import { readDocument } from "../definition-file.ts";
import { printable, say } from "../output.ts";
import { follow } from "../progress.ts";
import { freePort, readState, startAgent, stopAgent, writeState, type DemoState } from "./agent-processes.ts";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
const at = (...parts: string[]): string => join(PROJECT, ...parts);
const WORKFLOW = "Service desk triage";

export type Demo = {
  /** Runs the flagship workflow once; prints its steps as they happen, the report and the address of its page. */
  run(): Promise<void>;
  /** Ends the agents' processes. */
  stop(): Promise<void>;
};

/** Sets the demo workspace up through the public API, as a user would: two MCP servers, two agents, one workflow. */
export async function startDemo(platform: Platform, { dataDir, signal }: { dataDir: string; signal: AbortSignal }): Promise<Demo> {
  const client = createClient({ url: platform.url, token: platform.token ?? "" });
  const reports = join(dataDir, "demo", "reports");
  mkdirSync(reports, { recursive: true, mode: 0o700 });
  const state = readState(dataDir);
  const urgencyPort = state.urgencyPort ?? (await freePort());
  const urgency = await startAgent(at("examples", "agents", "urgency-ranker.ts"), { PORT: String(urgencyPort) });
  try {
    const factsToken = await ensureAgents(client, { ...state, urgencyPort });
    writeState(dataDir, { urgencyPort, factsToken });
    const facts = await startAgent(at("examples", "agents", "facts-checker.ts"), {
      AUTERITY_URL: platform.url,
      AUTERITY_AGENT_TOKEN: factsToken,
    });
    for (const server of demoServers(dataDir, reports)) await ensureServer(client, server);
    const workflow = await saveWorkflow(client, WORKFLOW, Json.parse(readDocument(at("templates", "service-desk-triage.yaml"))));
    return {
      run: () => runOnce(client, platform.url, { workflowId: workflow.id, reports, signal }),
      stop: async () => void (await Promise.all([stopAgent(facts), stopAgent(urgency)])),
    };
  } catch (error) {
    await stopAgent(urgency);
    throw error;
  }
}

function demoServers(dataDir: string, reports: string): CreateMcpServer[] {
  const script = (name: string): string => at("node_modules", "@modelcontextprotocol", name, "dist", "index.js");
  const base = { environment: "production", start: true } as const;
  const stdio = { transport: "stdio", command: process.execPath } as const;
  return [
    {
      ...base,
      name: "files",
      description: "Reads the example documents and writes reports.",
      launch: { ...stdio, args: [script("server-filesystem"), at("examples", "documents"), reports], env: {} },
    },
    {
      ...base,
      name: "memory",
      description: "Remembers facts as a graph of entities.",
      launch: { ...stdio, args: [script("server-memory")], env: { MEMORY_FILE_PATH: join(dataDir, "demo", "memory.jsonl") } },
    },
  ];
}

/** Registers what is missing and replaces what was registered with another launch (after the folder has moved, for example). */
async function ensureServer(client: Client, wanted: CreateMcpServer): Promise<void> {
  const { name, environment } = wanted;
  const [existing] = (await client.listMcpServers({ query: { name, environment } })).items;
  if (existing && JSON.stringify(existing.launch) === JSON.stringify(wanted.launch)) return;
  if (existing) await client.deleteMcpServer({ params: { id: existing.id } });
  await client.createMcpServer({ body: wanted });
}

/** Registers both agents unless they are there, and returns the custom agent's token. */
async function ensureAgents(client: Client, { urgencyPort, factsToken }: DemoState): Promise<string> {
  const { items } = await client.listAgents({ query: { limit: 200 } });
  const replace = async (agent: CreateAgent, isCurrent: boolean): Promise<string | undefined> => {
    const existing = items.find((candidate) => candidate.name === agent.name);
    if (existing && isCurrent) return undefined;
    if (existing) await client.deleteAgent({ params: { id: existing.id } });
    return (await client.createAgent({ body: agent })).token;
  };
  const url = `http://127.0.0.1:${urgencyPort}`;
  const known = items.find(({ name }) => name === "urgency")?.endpoint;
  const base = { environment: "production" } as const;
  await replace(
    { ...base, name: "urgency", title: "Urgency ranker", description: "Ranks findings by urgency (A2A).", endpoint: { kind: "a2a", url } },
    known?.kind === "a2a" && known.url === url,
  );
  const token = await replace(
    {
      ...base,
      name: "facts",
      title: "Facts checker",
      description: "Checks amounts and dates, writes reports.",
      endpoint: { kind: "custom" },
    },
    factsToken !== undefined,
  );
  return token ?? factsToken ?? "";
}

type Once = { workflowId: string; reports: string; signal: AbortSignal };

async function runOnce(client: Client, url: string, { workflowId, reports, signal }: Once): Promise<void> {
  const input = { folder: at("examples", "documents"), report: join(reports, "service-desk-triage.md") };
  const began = performance.now();
  say(`\n${pc.bold(WORKFLOW)}: MCP tools, a model, a custom agent and an A2A agent read ${input.folder}`);
  const started = await client.startRun({ params: { id: workflowId }, body: { input }, headers: {} });
  const run = await follow(client, started.id, (line) => (signal.aborted ? undefined : say(line)));
  if (signal.aborted) return;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (run.status === "succeeded") {
    say(`\n${reportOf(run.output)}`);
    say(`${pc.green("✓ succeeded")} in ${seconds} s`);
  } else {
    say(
      `${pc.red(run.status)} after ${seconds} s${run.error ? `: ${run.error.code}: ${printable(run.error.message)}\n${run.error.remedy}` : ""}`,
    );
  }
  say(`Report file  ${input.report}\nRun page     ${pc.cyan(`${url}/runs/${started.id}`)}`);
}

function reportOf(output: Json): string {
  const report = typeof output === "object" && output !== null && !Array.isArray(output) ? output["report"] : undefined;
  return typeof report === "string" ? report.split("\n").map(printable).join("\n") : JSON.stringify(output, null, 2);
}
