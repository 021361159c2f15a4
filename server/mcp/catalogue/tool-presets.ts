import type { ToolPreset } from "#contract/workflows.ts";
import type { Database, ToolPresets } from "#server/kernel/ports.ts";
import { revealHidden } from "#contract/hidden-text.ts";
import { pageTools, viewTool, type ServerTool } from "./tools.pg.ts";

/** The tools that may be called, as nodes of a workflow; in the order in which `listTools` finds them. */
export const toolPresets =
  (database: Database): ToolPresets =>
  ({ tenantId, environment, ...query }) =>
    database.asTenant(tenantId, async (tx) => {
      const { items, nextCursor } = await pageTools(tx, { ...query, usableIn: environment });
      return { items: items.map(presetOf), nextCursor };
    });

function presetOf(found: ServerTool): ToolPreset {
  const { id, serverId, serverName, name, title, description, annotations, inputSchema, outputSchema } = viewTool(found);
  const given = title ?? annotations["title"];
  return {
    type: "mcp_tool",
    data: { server: serverName, tool: name },
    title: typeof given === "string" && given !== "" ? revealHidden(given) : name,
    description: revealHidden(description),
    inputSchema,
    outputSchema,
    toolId: id,
    serverId,
    serverName,
    environment: found.environment,
  };
}
