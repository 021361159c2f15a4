import type { McpServer } from "#contract/mcp/servers.ts";

/** Servers that a request starts at the same time. */
export const STARTS_AT_ONCE = 4;

type Startable = { readonly record: Pick<McpServer, "desired">; start(): Promise<void> };

/** Starts those that are wanted and waits for each one's first attempt. A failure is part of the server's state, not of the request. */
export async function startTogether(servers: readonly Startable[]): Promise<void> {
  const waiting = [...servers];
  const worker = async (): Promise<void> => {
    for (let server = waiting.shift(); server; server = waiting.shift()) {
      // Somebody may have stopped it while it waited for its turn.
      if (server.record.desired === "running") await server.start().catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, worker));
}
