import type { McpServer } from "#contract/mcp/servers.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Database } from "#server/kernel/ports.ts";
import { saveQuarantine } from "../registration/servers.pg.ts";
import type { Supervisor } from "./supervisor.ts";

type Deps = {
  database: Database;
  audit: Audit;
  supervisor: Supervisor;
  now: () => Date;
  view: (tenantId: string, id: string) => Promise<McpServer>;
};

export type QuarantineUseCases = {
  /** Resolves when nothing of the server runs in this process any more; the others follow within seconds. */
  quarantine(caller: Caller, request: { id: string; reason: string }): Promise<McpServer>;
  /** Starts the server if it is wanted; a failure of that is part of its state. */
  release(caller: Caller, id: string): Promise<McpServer>;
};

/** How people take servers out and let them in again. Both throw `not_found`, and `conflict` when it is so already. */
export function quarantineUseCases({ database, audit, supervisor, now, view }: Deps): QuarantineUseCases {
  return {
    async quarantine(caller, { id, reason }) {
      const { tenantId, ref: actor } = caller;
      const server = await supervisor.get(tenantId, id);
      const quarantine = { reason, by: actor, since: now().toISOString() };
      await database.asTenant(tenantId, async (tx) => {
        if (!(await saveQuarantine(tx, id, quarantine))) throw new AppError("conflict", `The server ${server.record.name} is quarantined.`);
        await audit.record(tx, { tenantId, actor, action: "mcp_server.quarantined", target: `mcp_server:${id}`, reason });
      });
      server.adopt({ quarantine });
      await server.reconcile();
      return view(tenantId, id);
    },
    async release(caller, id) {
      const { tenantId, ref: actor } = caller;
      const server = await supervisor.get(tenantId, id);
      const reason = server.record.quarantine?.reason;
      await database.asTenant(tenantId, async (tx) => {
        const isStored = await saveQuarantine(tx, id, null);
        if (!isStored && reason === undefined) throw new AppError("conflict", `The server ${server.record.name} is not quarantined.`);
        await audit.record(tx, {
          tenantId,
          actor,
          action: "mcp_server.released",
          target: `mcp_server:${id}`,
          ...(reason && { details: { reason } }),
        });
      });
      server.adopt({ quarantine: null });
      await server.reconcile();
      if (server.record.desired === "running") await server.start().catch(() => {});
      return view(tenantId, id);
    },
  };
}
