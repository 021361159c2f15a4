import type { Quarantine } from "#contract/mcp/health.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Audit, Database, LiveBus } from "#server/kernel/ports.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { toolsOfServer } from "../catalogue/tools.pg.ts";
import { findServer, saveHealth, saveQuarantine, saveState } from "../registration/servers.pg.ts";
import type { LateWrites } from "./late-writes.ts";
import type { ServerLogs } from "./server-logs.ts";

type Deps = { database: Database; audit: Audit; live: LiveBus; logs: ServerLogs; writes: LateWrites; log: Log };

export const reload = ({ database }: Deps, { id, tenantId, name }: ServerRecord) =>
  database.asTenant(tenantId, async (tx) => {
    const found = await findServer(tx, id);
    if (!found) throw new AppError("mcp_server_unknown", `The server ${name} was deleted.`);
    return { record: found.record, tools: await toolsOfServer(tx, id), isPinned: found.record.cataloguePinned };
  });

/** Writes a state and announces it: at once, and again when it is stored later than that, as whoever hears of it reads what is stored. */
export async function persistState({ database, live, logs, writes }: Deps, server: ServerRecord): Promise<void> {
  const { id, tenantId, state } = server;
  logs.add(server, "event", state);
  const announce = (): void => live.publish(tenantId, { type: "mcp_server", serverId: id, state });
  const isStored = await writes.write(`state of the MCP server ${id}`, async () => {
    await database.asTenant(tenantId, (tx) => saveState(tx, server));
    announce();
  });
  if (!isStored) announce();
}

export async function recordQuarantine(
  { database, audit, writes }: Deps,
  { id, tenantId }: ServerRecord,
  quarantine: Quarantine,
): Promise<void> {
  const { reason, by: actor } = quarantine;
  const entry = { tenantId, actor, action: "mcp_server.quarantined", target: `mcp_server:${id}`, reason } as const;
  const { promise, resolve } = Promise.withResolvers<void>();
  void writes.write(`quarantine of the MCP server ${id}`, async () => {
    await database.asTenant(tenantId, async (tx) => {
      if (await saveQuarantine(tx, id, quarantine)) await audit.record(tx, entry);
    });
    resolve();
  });
  await promise;
}

export async function persistHealth({ database, log }: Deps, { id, tenantId, health }: ServerRecord): Promise<void> {
  await database
    .asTenant(tenantId, (tx) => saveHealth(tx, id, health))
    .catch((error: unknown) => log.warn("a server's health was not stored", { serverId: id, error }));
}
