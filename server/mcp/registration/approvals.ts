import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Database, Egress } from "#server/kernel/ports.ts";
import { changedMeanwhile, isPrivateTarget, type InspectLaunch } from "./check-launch.ts";
import type { LaunchPolicy } from "./launch-policy.ts";
import { refuseLaunches } from "./refuse-launch.ts";
import { approvalOf } from "./register-server.ts";
import { isStillRegistered, saveInspected } from "./registration-lock.pg.ts";
import { findServer, saveAsked, saveLaunch } from "./servers.pg.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Supervisor } from "../supervision/supervisor.ts";

export type ApprovalDeps = {
  database: Database;
  audit: Audit;
  egress: Egress;
  supervisor: Supervisor;
  inspect: InspectLaunch;
  ownerApproves: boolean;
  launchPolicy: LaunchPolicy;
};

/** What an approver has looked at; without it, whatever there is at that moment is approved. */
export type Seen = { launchHash?: string | undefined; roots?: readonly string[] | undefined };

const wasSeen = ({ launchHash, roots }: Seen, now: { hash: string; roots: readonly string[] | undefined }): boolean =>
  (launchHash === undefined || launchHash === now.hash) &&
  (roots === undefined || JSON.stringify(roots) === JSON.stringify(now.roots ?? []));

/**
 * Approves the launch as it would run at this moment, with its roots. Throws `permission_denied` when maker and checker must differ and do
 * not, and `conflict` when it is not what the approver has seen, or is changed under the approver's hands.
 */
export const approveLaunch =
  ({ database, audit, egress, supervisor, inspect, ownerApproves, launchPolicy }: ApprovalDeps) =>
  async (caller: Caller, id: string, seen: Seen = {}): Promise<SupervisedServer> => {
    const server = await supervisor.get(caller.tenantId, id);
    // What is stored is what the approver was shown; this process may not hold it yet.
    const record = (await database.asTenant(caller.tenantId, (tx) => findServer(tx, id)))?.record ?? server.record;
    const entry = { tenantId: caller.tenantId, actor: caller.ref, action: "mcp_server.launch_approved", target: `mcp_server:${id}` };
    const makers = record.launchMakers.length > 0 ? record.launchMakers : [record.createdBy];
    if (!ownerApproves && makers.includes(caller.ref)) {
      const reason = "maker and checker are the same";
      await database.asTenant(caller.tenantId, (tx) => audit.record(tx, { ...entry, outcome: "deny", reason }));
      throw new AppError("permission_denied", "A launch must be approved by somebody other than who has asked for it.", {
        remedy: "Ask another owner or admin to approve it.",
      });
    }
    await refuseLaunches({ database, audit, launchPolicy })({ tenantId: caller.tenantId, actor: caller.ref }, [record]);
    const { hash } = await inspect(id, record.launch);
    if (!wasSeen(seen, { hash, roots: record.settings.roots })) {
      await database.asTenant(caller.tenantId, (tx) => saveInspected(tx, record, { hash }));
      throw new AppError("conflict", `What ${record.name} would run, or work in, is not what you have looked at.`, {
        remedy: "Look at the server again, and approve the `launchHash` and the roots that it has now.",
      });
    }
    const change = { launchHash: hash, approvedLaunchHash: hash, approvedRoots: record.settings.roots ?? null, launchMakers: [] };
    const approved = { ...record, ...change };
    const { launch, settings, catalogueTrusted } = record;
    const isNews = JSON.stringify(launch) !== JSON.stringify(server.record.launch);
    const privateUrl = launch.transport === "http" && (await isPrivateTarget(launch.url)) ? launch.url : undefined;
    await database.asTenant(caller.tenantId, async (tx) => {
      if (!(await isStillRegistered(tx, record))) throw changedMeanwhile(record);
      await saveLaunch(tx, approved, caller.ref);
      await saveAsked(tx, approved);
      await audit.record(tx, { ...entry, details: approvalOf(approved) });
      if (privateUrl) await egress.allow(tx, { tenantId: caller.tenantId, url: privateUrl, purpose: "mcp_server", actor: caller.ref });
    });
    server.adopt({ ...change, launch, settings, catalogueTrusted });
    // What still runs here is of another launch, which others have changed; a failure is part of the server's state.
    if (isNews && server.connection !== undefined) await server.restart().catch(() => {});
    return server;
  };
