import type { Database } from "../kernel/ports.ts";
import { selectMentioning } from "./store.pg.ts";

type Deps = { database: Database };
type ToolUsed = { workflow: string; nodeId: string; tool: string };

/** The nodes, also those in containers, by which the newest versions of workflows call tools of a server. */
export const toolsUsed =
  ({ database }: Deps) =>
  async ({ tenantId, server }: { tenantId: string; server: string }): Promise<ToolUsed[]> => {
    const stored = await database.asTenant(tenantId, (tx) => selectMentioning(tx, { live: [], words: [server] }));
    return stored.flatMap(({ name, definition }) =>
      definition.nodes.flatMap((node) =>
        node.type === "mcp_tool" && node.data.server === server ? [{ workflow: name, nodeId: node.id, tool: node.data.tool }] : [],
      ),
    );
  };
