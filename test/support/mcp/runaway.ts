import { fileURLToPath } from "node:url";
import type { Launch } from "#contract/mcp/servers.ts";
import { newId } from "#server/kernel/ids.ts";
import { processes, type ProcessEntry } from "../processes.ts";

const RUNAWAY = fileURLToPath(new URL("runaway-server.ts", import.meta.url));

type StdioLaunch = Extract<Launch, { transport: "stdio" }>;

/** A server that goes out of control, and a way to find all its processes whatever they have done to be forgotten. */
export function runaway(mode: string, launch: Pick<StdioLaunch, "caps" | "cwd" | "sandbox"> = {}) {
  const token = newId();
  const all = async (): Promise<ProcessEntry[]> => (await processes()).filter(({ command }) => command.includes(token));
  return {
    launch: { transport: "stdio", command: process.execPath, args: [RUNAWAY, mode, token], env: {}, ...launch } satisfies StdioLaunch,
    /** All that live. */
    processes: all,
    /** For the end of a test that failed. */
    kill: async (): Promise<void> => {
      for (const { pid } of await all()) process.kill(pid, "SIGKILL");
    },
  };
}
