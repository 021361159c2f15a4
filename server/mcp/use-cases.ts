import type { Database } from "#server/kernel/ports.ts";
import { toolUseCases, type ToolUseCaseDeps, type ToolUseCases } from "./calls/use-tools.ts";
import { logUseCases, type LogUseCases } from "./logs/read-logs.ts";
import { processUseCases, type ProcessUseCases } from "./process/show-processes.ts";
import type { TreeWatch } from "./process/tree-watch.ts";
import { serverUseCases, type ServerUseCaseDeps, type ServerUseCases } from "./registration/manage-servers.ts";
import type { ServerLogs } from "./supervision/server-logs.ts";

type Deps = ServerUseCaseDeps & ToolUseCaseDeps & { database: Database; logs: ServerLogs; watch: TreeWatch };

export type McpUseCases = { servers: ServerUseCases; tools: ToolUseCases; logs: LogUseCases; processes: ProcessUseCases };

/** What people and programs do with the slice. */
export const mcpUseCases = (deps: Deps): McpUseCases => ({
  servers: serverUseCases(deps),
  tools: toolUseCases(deps),
  logs: logUseCases(deps),
  processes: processUseCases(deps),
});
