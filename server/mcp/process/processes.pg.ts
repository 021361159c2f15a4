import { z } from "zod";
import type { ServerProcess } from "#contract/mcp/processes.ts";
import type { Tx } from "#server/kernel/ports.ts";
import type { Exit } from "./execute.ts";

const Row = z.object({
  id: z.string(),
  tenant_id: z.string(),
  server_id: z.string(),
  instance_id: z.string(),
  pid: z.number().nullable(),
  start_time: z.string().nullable(),
});

export type ProcessRecord = {
  id: string;
  tenantId: string;
  serverId: string;
  instanceId: string;
  pid: number | null;
  startTime: string | null;
};

/** The mark that every process of this tree inherits. */
export const processMarker = ({ serverId, id }: { serverId: string; id: string }): string => `${serverId}:${id}`;

/** Written before the process exists, so that a crash in between leaves a trace. */
export async function insertProcess(
  tx: Tx,
  process: Pick<ProcessRecord, "id" | "tenantId" | "serverId" | "instanceId"> & { host: string },
): Promise<void> {
  await tx.query("insert into mcp_processes (id, tenant_id, server_id, instance_id, host) values ($1, $2, $3, $4, $5)", [
    process.id,
    process.tenantId,
    process.serverId,
    process.instanceId,
    process.host,
  ]);
  await tx.query(
    `delete from mcp_processes where server_id = $1 and ended_at is not null and id not in
       (select id from mcp_processes where server_id = $1 order by started_at desc limit 50)`,
    [process.serverId],
  );
}

export async function markProcessStarted(
  tx: Tx,
  { id, pid, startTime }: { id: string; pid: number; startTime: string | null },
): Promise<void> {
  await tx.query("update mcp_processes set pid = $2, process_group = $2, start_time = $3 where id = $1", [id, pid, startTime]);
}

export async function markProcessEnded(tx: Tx, id: string, exit: Exit | undefined): Promise<void> {
  await tx.query("update mcp_processes set ended_at = now(), exit_code = $2, exit_signal = $3 where id = $1 and ended_at is null", [
    id,
    exit?.code ?? null,
    exit?.signal ?? null,
  ]);
}

/** Processes of this machine that other platforms, dead or alive, have not ended. For the worker role: of all tenants. */
export async function othersProcesses(tx: Tx, { host, instanceId }: { host: string; instanceId: string }): Promise<ProcessRecord[]> {
  const rows = await tx.query("select * from mcp_processes where host = $1 and instance_id <> $2 and ended_at is null", [host, instanceId]);
  return rows.map((raw) => {
    const row = Row.parse(raw);
    return {
      id: row.id,
      tenantId: row.tenant_id,
      serverId: row.server_id,
      instanceId: row.instance_id,
      pid: row.pid,
      startTime: row.start_time,
    };
  });
}

type StartRow = {
  id: string;
  host: string;
  pid: number | null;
  started_at: Date;
  ended_at: Date | null;
  exit_code: number | null;
  exit_signal: string | null;
};

/** All that are on record, newest first. */
export async function processesOfServer(tx: Tx, serverId: string): Promise<Omit<ServerProcess, "usage">[]> {
  const rows = await tx.query<StartRow>(
    `select id, host, pid, started_at, ended_at, exit_code, exit_signal from mcp_processes
     where server_id = $1 order by started_at desc, id desc limit 100`,
    [serverId],
  );
  return rows.map(({ id, host, pid, started_at, ended_at, exit_code, exit_signal }) => ({
    id,
    host,
    pid,
    startedAt: started_at.toISOString(),
    endedAt: ended_at?.toISOString() ?? null,
    exitCode: exit_code,
    exitSignal: exit_signal,
  }));
}
