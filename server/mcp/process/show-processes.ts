import type { listServerProcesses, ServerProcess } from "#contract/mcp/processes.ts";
import type { RouteResponse } from "#contract/route.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { Database } from "#server/kernel/ports.ts";
import { serverNotFound } from "../registration/manage-servers.ts";
import { findServer } from "../registration/servers.pg.ts";
import { allowedFor, type Usage } from "./caps.ts";
import { processesOfServer } from "./processes.pg.ts";
import type { TreeWatch } from "./tree-watch.ts";

type Answer = RouteResponse<typeof listServerProcesses>;
export type ProcessUseCases = { list(caller: Caller, serverId: string): Promise<Answer> };

/** What people see of servers' processes. Whatever belongs to another tenant is `not_found`. */
export const processUseCases = ({ database, watch }: { database: Database; watch: TreeWatch }): ProcessUseCases => ({
  list: ({ tenantId }, serverId) =>
    database.asTenant(tenantId, async (tx) => {
      const found = await findServer(tx, serverId);
      if (!found) throw serverNotFound(serverId);
      const { launch } = found.record;
      const items = await processesOfServer(tx, serverId);
      return {
        caps: launch.transport === "stdio" ? allowedFor(launch.caps) : null,
        items: items.map((item) => ({ ...item, usage: viewUsage(watch.usageOf(item.id)) })),
      };
    }),
});

const viewUsage = (usage: Usage | undefined): ServerProcess["usage"] =>
  usage === undefined ? null : { ...usage, cpuPercent: usage.cpuPercent === undefined ? null : Math.round(usage.cpuPercent) };
