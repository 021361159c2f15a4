import { hostname } from "node:os";
import type { Log } from "#server/kernel/log.ts";
import type { Audit, Database } from "#server/kernel/ports.ts";
import type { HostRefusal } from "./host-proxy.ts";
import { closeGroups, groupsOf, ownGroups } from "./control-groups.ts";
import { startTimeOf } from "./process-table.ts";
import { census, endTree } from "./process-tree.ts";
import { insertProcess, markProcessEnded, markProcessStarted, othersProcesses, processMarker, type ProcessRecord } from "./processes.pg.ts";
import type { LateWrites } from "../supervision/late-writes.ts";
import type { ServerLogs } from "../supervision/server-logs.ts";
import type { Exit } from "./execute.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import type { Timings } from "../supervision/timings.ts";

type Deps = { database: Database; audit: Audit; logs: ServerLogs; writes: LateWrites; log: Log; instanceId: string; timings: Timings };
type Ended = { server: ServerRecord; id: string; exit: Exit | undefined; survivors: number };

/** What becomes of processes, on record: before they start, and when they have ended. */
export type ProcessJournal = {
  /** Returns the marker for the process. When this fails, nothing may be started. */
  starting(server: ServerRecord, id: string): Promise<string>;
  started(server: ServerRecord, process: { id: string; pid: number; startTime: string | null }): Promise<void>;
  /** Never rejects: the process is gone whether or not it can be written down yet. */
  ended(ended: Ended): Promise<void>;
  /** A host that its sandbox does not let it reach. Never waits. */
  refused(server: ServerRecord, refusal: HostRefusal & { id: string }): void;
  /** Ends what platforms that live no more left running on this machine. Nothing else is touched. Resolves with how many trees. */
  endOrphans(): Promise<number>;
};

const SYSTEM = "system:mcp";

export function createProcessJournal(deps: Deps): ProcessJournal {
  const { database, audit, logs, writes, log } = deps;
  const naming = nameInstance(deps.instanceId);
  const host = hostname();
  return {
    async starting(server, id) {
      const { tenantId, id: serverId } = server;
      const instanceId = await naming;
      await database.asTenant(tenantId, async (tx) => {
        await insertProcess(tx, { id, tenantId, serverId, instanceId, host });
        await audit.record(tx, {
          tenantId,
          actor: SYSTEM,
          action: "mcp_process.starting",
          target: `mcp_server:${serverId}`,
          details: { process: id },
        });
      });
      return processMarker({ serverId, id });
    },
    async started(server, process) {
      logs.add(server, "event", { text: `process ${process.pid} started`, processId: process.id });
      await database
        .asTenant(server.tenantId, (tx) => markProcessStarted(tx, process))
        .catch((error: unknown) => log.warn("a process start was not recorded", { serverId: server.id, error }));
    },
    async ended({ server, id, exit, survivors }) {
      const how = exit ? (exit.signal ?? `exit code ${exit.code}`) : "not started or not observed";
      const left = survivors > 0 ? `; ${survivors} of its tree could not be ended` : "";
      logs.add(server, "event", { text: `process ended: ${how}${left}`, processId: id });
      const { tenantId } = server;
      const details = { process: id, exit: how, survivors };
      const entry = { tenantId, actor: SYSTEM, action: "mcp_process.exited", target: `mcp_server:${server.id}`, details };
      await writes.write(`end of the process ${id}`, () =>
        database.asTenant(tenantId, async (tx) => {
          // A tree that could not be ended stays open here, for the next start to try again.
          if (survivors === 0) await markProcessEnded(tx, id, exit);
          await audit.record(tx, entry);
        }),
      );
    },
    refused: hostRefused(deps),
    async endOrphans() {
      const instanceId = await naming;
      const others = await database.asWorker((tx) => othersProcesses(tx, { host, instanceId }));
      const orphans = [];
      for (const process of others) if (!(await isInstanceAlive(process.instanceId))) orphans.push(process);
      const ended = await Promise.all(orphans.map((orphan) => endOrphan(deps, orphan)));
      return ended.filter(Boolean).length;
    },
  };
}

const hostRefused =
  ({ database, audit, logs, log }: Deps): ProcessJournal["refused"] =>
  (server, { id, at, text, isListed }) => {
    const { tenantId, id: serverId } = server;
    logs.add(server, "event", { text, processId: id });
    // The egress guard has recorded what it refused.
    if (isListed) return;
    const denial = {
      tenantId,
      actor: SYSTEM,
      action: "mcp_process.host_refused",
      target: `mcp_server:${serverId}`,
      outcome: "deny",
    } as const;
    database
      .asTenant(tenantId, (tx) => audit.record(tx, { ...denial, reason: "host_not_listed", details: { process: id, at } }))
      .catch((error: unknown) => log.warn("a refused host was not recorded", { serverId, error }));
  };

/** By its process a platform is known to live or not. Where start times cannot be told, its id has to do. */
async function nameInstance(instanceId: string): Promise<string> {
  return `${instanceId}/${process.pid}/${(await startTimeOf(process.pid)) ?? ""}`;
}

async function isInstanceAlive(name: string): Promise<boolean> {
  const [, pid, startTime] = name.split("/");
  if (pid === undefined || startTime === undefined) return false;
  return startTime === "" ? isRunning(Number(pid)) : (await startTimeOf(Number(pid))) === startTime;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Whether there was anything to end. A process is known by its marker, or by its id together with its start time. */
async function endOrphan({ database, audit, log, timings }: Deps, orphan: ProcessRecord): Promise<boolean> {
  const { tenantId, serverId, id } = orphan;
  const groups = groupsOf(await ownGroups(), id);
  const root = { pid: orphan.startTime === null ? null : orphan.pid, startTime: orphan.startTime, marker: processMarker(orphan), groups };
  const found = await census(root);
  const left = found.length === 0 ? [] : await endTree(root, { termMs: timings.stopTermMs, killMs: timings.stopKillMs });
  if (left.length > 0) {
    log.error("processes of an earlier start could not be ended", { serverId, pids: left.map(({ pid }) => pid) });
    return false;
  }
  await closeGroups(groups);
  await database.asTenant(tenantId, async (tx) => {
    await markProcessEnded(tx, id, undefined);
    const details = { process: id, found: found.length };
    await audit.record(tx, { tenantId, actor: SYSTEM, action: "mcp_process.orphan_ended", target: `mcp_server:${serverId}`, details });
  });
  return found.length > 0;
}
