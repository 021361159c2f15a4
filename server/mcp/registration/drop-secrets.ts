import type { Environment } from "#contract/common.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { AuditRecord, Database, SecretWriter, Tx } from "#server/kernel/ports.ts";
import { secretsNamedBy } from "./launch.ts";
import type { ServerRecord } from "./server-record.ts";
import { otherLaunches } from "./servers.pg.ts";

/** Which of these secrets something refers to that is no MCP server. */
export type SecretsUsed = (of: { tenantId: string; environment: Environment; names: readonly string[] }) => Promise<ReadonlySet<string>>;

export type DropDeps = { database: Database; vault: SecretWriter; secretsUsed: SecretsUsed };

/**
 * The secrets that were stored for a server go with it, unless something else refers to them: what another server needs becomes
 * that server's. To be prepared before the transaction, as it looks everywhere; gives the names of those that went,
 * and what the audit trail is to say of them.
 */
export async function prepareDrop({ database, vault, secretsUsed }: DropDeps, { ref: actor }: Caller, server: ServerRecord) {
  const { id, tenantId, environment } = server;
  const own = await database.asTenant(tenantId, (tx) => vault.madeFor(tx, id));
  // Also what others could hand over until then.
  const names = [...new Set([...own, ...secretsNamedBy(server.launch)])];
  const used = names.length === 0 ? new Set<string>() : await secretsUsed({ tenantId, environment, names });
  const unused = new Set(names.filter((name) => !used.has(name)));
  return async (tx: Tx): Promise<{ gone: string[]; records: AuditRecord[] }> => {
    const others = (await otherLaunches(tx, server)).map(({ id: other, launch }) => ({ other, names: secretsNamedBy(launch) }));
    const gone: string[] = [];
    const records: AuditRecord[] = [];
    for (const name of await vault.madeFor(tx, id)) {
      const secret = { tenantId, name, environment };
      const heir = others.find((one) => one.names.has(name))?.other;
      if (heir !== undefined) await vault.handOver(tx, secret, heir);
      if (heir !== undefined || !unused.has(name)) continue;
      const record = await vault.remove(tx, { ...secret, actor, because: `mcp_server:${id}` });
      gone.push(name);
      records.push(record);
    }
    return { gone, records };
  };
}
