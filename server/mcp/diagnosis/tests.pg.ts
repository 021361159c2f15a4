import { z } from "zod";
import { LIMITS } from "#contract/limits.ts";
import { ServerTest } from "#contract/mcp/tests.ts";
import type { Tx } from "#server/kernel/ports.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { serverNotFound } from "../registration/manage-servers.ts";
import { findServer, insertServer } from "../registration/servers.pg.ts";

const Row = z.object({ report: z.string() });

/** Keeps a report, and of each server, or each launch that was not registered, only the last ones. */
export async function saveTest(tx: Tx, tenantId: string, test: ServerTest): Promise<void> {
  await tx.query(
    "insert into mcp_server_tests (id, tenant_id, server_id, launch_hash, ok, report, at) values ($1, $2, $3, $4, $5, $6, $7)",
    [test.id, tenantId, test.serverId, test.launchHash, test.ok, JSON.stringify(test), test.at],
  );
  await tx.query(
    `delete from mcp_server_tests where server_id is not distinct from $1::uuid and id not in
       (select id from mcp_server_tests where server_id is not distinct from $1::uuid order by at desc, id desc limit $2)`,
    [test.serverId, test.serverId === null ? LIMITS.mcpTrialsKept : LIMITS.mcpTestsKept],
  );
}

/** Of this server, or of its launch before there was the server. Newest first. Throws `not_found`. */
export async function testsOf(tx: Tx, id: string): Promise<ServerTest[]> {
  const found = await findServer(tx, id);
  if (!found) throw serverNotFound(id);
  const rows = await tx.query(
    `select report from mcp_server_tests where server_id = $1 or (server_id is null and launch_hash = $2)
     order by at desc, id desc limit $3`,
    [id, found.record.launchHash, LIMITS.mcpTestsKept],
  );
  return rows.map((row) => ServerTest.parse(JSON.parse(Row.parse(row).report)));
}

/**
 * A server that exists for one test. Its processes are on record like any other's, so that they are ended after a crash; nobody
 * sees it, as it was deleted before it began.
 */
export async function insertTrial(tx: Tx, server: ServerRecord, approvedBy: string): Promise<void> {
  await insertServer(tx, server, approvedBy);
  await tx.query("update mcp_servers set deleted_at = now(), desired = 'stopped' where id = $1", [server.id]);
}

/** Leaves it to the next start when a process of it is still on record. */
export async function removeTrial(tx: Tx, serverId: string): Promise<void> {
  const open = await tx.query("select id from mcp_processes where server_id = $1 and ended_at is null", [serverId]);
  if (open.length > 0) return;
  for (const table of ["mcp_server_logs", "mcp_processes"]) await tx.query(`delete from ${table} where server_id = $1`, [serverId]);
  await tx.query("delete from mcp_servers where id = $1", [serverId]);
}
