import type { ToolChange } from "#contract/system.ts";
import { LIMITS } from "#contract/limits.ts";
import type { Log } from "#server/kernel/log.ts";
import type { LiveBus } from "#server/kernel/ports.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import type { WorkflowsUsing } from "./review-tools.ts";

type Deps = { live: LiveBus; log: Log; workflowsUsing: WorkflowsUsing };
type Server = Pick<ServerRecord, "id" | "tenantId" | "name" | "environment">;
/** What has become of a tool. */
export type ToldTool = { id: string; name: string; change: ToolChange };

export type ToolNews = {
  /**
   * The workflows that call these tools, by the tools' ids. Of so many tools only as an event can name, and without those that are
   * new here. Never rejects: what cannot be found out keeps nothing back.
   */
  affected(server: Server, tools: readonly ToldTool[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Must be called when it is stored: whoever hears of it reads it. */
  tell(server: Server, tools: readonly ToldTool[], workflows: ReadonlyMap<string, readonly string[]>): void;
};

/** Tells listeners what has become of a server's tools, and whom that concerns. */
export function createToolNews({ live, log, workflowsUsing }: Deps): ToolNews {
  return {
    async affected({ id: serverId, tenantId, environment, name: server }, tools) {
      const found = new Map<string, string[]>();
      try {
        for (const { id, name: tool } of tools.filter(({ change }) => change !== "new").slice(0, LIMITS.liveTools)) {
          const versions = await workflowsUsing({ tenantId, environment, server, tool });
          const ids = new Set(versions.map(({ workflowId }) => workflowId));
          if (ids.size > 0) found.set(id, [...ids].slice(0, LIMITS.liveWorkflows));
        }
      } catch (error) {
        log.warn("the workflows that tools concern were not found", { serverId, error });
      }
      return found;
    },
    tell({ id: serverId, tenantId }, tools, workflows) {
      const ids = [...new Set([...workflows.values()].flat())].slice(0, LIMITS.liveWorkflows);
      live.publish(tenantId, {
        type: "mcp_tools",
        serverId,
        tools: tools.slice(0, LIMITS.liveTools).map(({ id, name, change }) => ({ id, name, change })),
        count: tools.length,
        workflows: ids,
      });
    },
  };
}
