import type { McpServer } from "#contract/mcp/servers.ts";
import type { Client } from "#sdk/client.ts";
import { notice, printDocument, printList, printable, say, type Format } from "../output.ts";
import { serverNamed, tellServer } from "./mcp-server.ts";

/** What people do with a server; it may be given to `controlServer`. */
type Act = (client: Client, id: string) => Promise<McpServer>;

export const start: Act = (client, id) => client.startMcpServer({ params: { id } });
export const stop: Act = (client, id) => client.stopMcpServer({ params: { id } });
export const restart: Act = (client, id) => client.restartMcpServer({ params: { id } });
export const release: Act = (client, id) => client.releaseMcpServer({ params: { id } });
export const quarantine =
  (reason: string): Act =>
  (client, id) =>
    client.quarantineMcpServer({ params: { id }, body: { reason } });

/** Says what the server is then. Resolves with the exit code. */
export async function controlServer(client: Client, name: string, { act, output }: { act: Act; output: Format }): Promise<number> {
  const { id } = await serverNamed(client, name);
  return tellServer(await act(client, id), output);
}

/** Says what was approved, what there is to look at in it, and what the server is then. Resolves with the exit code. */
export async function approveLaunch(client: Client, name: string, { output, hash }: { output: Format; hash?: string }): Promise<number> {
  const { id } = await serverNamed(client, name);
  const after = await client.approveMcpLaunch({ params: { id }, body: { ...(hash !== undefined && { launchHash: hash }) } });
  if (output === "table") {
    say(printable(`${after.name} may run ${launchText(after)}`));
    for (const { code, message } of after.warnings) say(printable(`! ${code}: ${message}`));
  }
  return tellServer(after, output);
}

const launchText = ({ launch, approvedRoots }: McpServer): string => {
  const what = launch.transport === "http" ? launch.url : [launch.command, ...launch.args].join(" ");
  return approvedRoots === null || approvedRoots.length === 0 ? what : `${what} in ${approvedRoots.join(", ")}`;
};

export async function removeServer(client: Client, name: string): Promise<void> {
  const { id } = await serverNamed(client, name);
  await client.deleteMcpServer({ params: { id } });
  notice(`${name} is deleted.`);
}

export async function showServer(client: Client, name: string, output: Format): Promise<void> {
  printDocument(await serverNamed(client, name), output === "table" ? "yaml" : output);
}

const MIB = 1024 * 1024;

/** The newest starts, with what those that run use. */
export async function listProcesses(client: Client, name: string, output: Format): Promise<void> {
  const { id } = await serverNamed(client, name);
  const found = await client.listServerProcesses({ params: { id } });
  if (output !== "table") return printDocument(found, output);
  printList(found.items, output, [
    ["STARTED", ({ startedAt }) => startedAt],
    ["HOST", ({ host }) => host],
    ["PID", ({ pid }) => pid],
    ["ENDED", ({ endedAt, exitCode, exitSignal }) => (endedAt === null ? "" : `${endedAt} (${exitSignal ?? exitCode ?? "unknown"})`)],
    ["PROCESSES", ({ usage }) => usage?.processes],
    ["MEMORY MIB", ({ usage }) => usage && (usage.memoryBytes / MIB).toFixed(1)],
    ["CPU %", ({ usage }) => usage?.cpuPercent?.toFixed(0)],
  ]);
}

/** What runs, waits and was called of each tool, and what the breakers say. */
export async function listCalls(client: Client, name: string, output: Format): Promise<void> {
  const { id } = await serverNamed(client, name);
  const calls = await client.getServerCalls({ params: { id } });
  if (output !== "table") return printDocument(calls, output);
  printList(calls.tools, output, [
    ["TOOL", (tool) => tool.name],
    ["RUNNING", ({ running, atOnce }) => `${running} of ${atOnce}`],
    ["WAITING", ({ waiting }) => waiting],
    ["BREAKER", ({ breaker }) => breaker.state],
    ["P50 MS", ({ p50Ms }) => p50Ms?.toFixed(1)],
    ["P95 MS", ({ p95Ms }) => p95Ms?.toFixed(1)],
    [
      "CALLS",
      ({ counts }) =>
        Object.entries(counts)
          .filter(([, count]) => count > 0)
          .map(([outcome, count]) => `${count} ${outcome}`)
          .join(", "),
    ],
  ]);
  if (calls.breaker.state !== "closed") notice(`The breaker of ${name} is ${calls.breaker.state}.`);
}
