import type { McpServer } from "#contract/mcp/servers.ts";

/** Servers that a request starts at the same time. */
export const STARTS_AT_ONCE = 4;

type Startable = { readonly record: Pick<McpServer, "desired">; start(): Promise<void> };

/** Starts those that are wanted and waits for each one's first attempt. A failure is part of the server's state, not of the request. */
export async function startTogether(servers: readonly Startable[]): Promise<void> {
  const waiting = servers.filter(({ record }) => record.desired === "running");
  const worker = async (): Promise<void> => {
    for (let server = waiting.shift(); server; server = waiting.shift()) await server.start().catch(() => {});
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, worker));
}
