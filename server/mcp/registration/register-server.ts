import type { Environment, Json } from "#contract/common.ts";
import type { CreateMcpServer, Launch } from "#contract/mcp/servers.ts";
import { ServerSettings } from "#contract/mcp/settings.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { Audit, AuditRecord, Database, Egress, Tx } from "#server/kernel/ports.ts";
import { checkAllowFlagged } from "./allow-flagged.ts";
import { isPrivateTarget, registeredHash, type InspectLaunch } from "./check-launch.ts";
import { summariseLaunch } from "./launch.ts";
import { needsOwner } from "./launch-warnings.ts";
import type { LaunchPolicy } from "./launch-policy.ts";
import { refuseLaunches } from "./refuse-launch.ts";
import type { ServerRecord } from "./server-record.ts";
import { insertServer } from "./servers.pg.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Supervisor } from "../supervision/supervisor.ts";

export type RegistrationDeps = {
  database: Database;
  audit: Audit;
  egress: Egress;
  supervisor: Supervisor;
  inspect: InspectLaunch;
  newId: () => string;
  now: () => Date;
  /** On a loopback install the registration by an owner is the approval; elsewhere somebody else has to approve. */
  ownerApproves: boolean;
  launchPolicy: LaunchPolicy;
};

/** Who registers, and whether that person could approve: anything (an owner), or what needs no owner. */
export type Registrant = { tenantId: string; actor: string; mayApprove: boolean; isOwner: boolean };

export const registrantOf = ({ tenantId, ref, permissions, role }: Caller): Registrant => ({
  tenantId,
  actor: ref,
  mayApprove: permissions.has("tool:approve"),
  isOwner: role === "owner",
});

/** Whether the registration is itself the approval: see `docs/decisions/0009-who-approves-a-launch.md`. */
export const approvesItself = (deps: RegistrationDeps, { mayApprove, isOwner }: Registrant, launch: Launch): boolean =>
  deps.ownerApproves && mayApprove && (isOwner || !needsOwner(launch));

type Registration = Pick<CreateMcpServer, "name" | "description" | "environment" | "launch" | "settings"> & { start: boolean };
type Prepared = { record: ServerRecord; isApproved: boolean; isPrivate: boolean };

/**
 * Saves servers, all or none, without starting them; `alongside` writes what belongs to them, by their ids, in the same transaction,
 * and gives what the audit trail is to say of that. All rows are written in the order of their names and before the trail, so that two
 * registrations at the same time wait for each other in one order.
 * Throws `name_taken` and `launch_refused`.
 */
export const registerServers =
  (deps: RegistrationDeps) =>
  async (
    registrant: Registrant,
    registrations: readonly Registration[],
    alongside: (tx: Tx, ids: readonly string[]) => Promise<readonly AuditRecord[]> = async () => [],
  ): Promise<SupervisedServer[]> => {
    await refuseLaunches(deps)(registrant, registrations);
    const prepared = await Promise.all(registrations.map((registration) => prepare(deps, registrant, registration)));
    await deps.database.asTenant(registrant.tenantId, async (tx) => {
      const records = await alongside(
        tx,
        prepared.map(({ record }) => record.id),
      );
      for (const { record, isApproved } of prepared.toSorted((a, b) => compareNames(a.record, b.record)))
        await insertServer(tx, record, isApproved ? registrant.actor : null);
      await deps.audit.record(tx, ...records);
      for (const one of prepared) await recordRegistration(deps, tx, { ...one, actor: registrant.actor, action: "mcp_server.registered" });
    });
    return prepared.map(({ record }) => deps.supervisor.add(record));
  };

const compareNames = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);

/** A registration as it would be stored, and whether it is itself the approval. */
export async function prepare(deps: RegistrationDeps, registrant: Registrant, registration: Registration): Promise<Prepared> {
  const { tenantId, actor } = registrant;
  const { name, description, environment, launch, settings, start } = registration;
  const id = deps.newId();
  checkAllowFlagged(undefined, settings, { ...registrant, createdBy: actor, ownerApproves: deps.ownerApproves });
  const isApproved = approvesItself(deps, registrant, launch);
  const launchHash = await registeredHash(deps.inspect, id, launch);
  const at = deps.now();
  const record: ServerRecord = {
    id,
    tenantId,
    environment,
    name,
    description,
    launch,
    settings: settings ?? ServerSettings.parse({}),
    launchHash,
    approvedLaunchHash: isApproved ? launchHash : null,
    approvedRoots: (isApproved && settings?.roots) || null,
    launchMakers: isApproved ? [] : [actor],
    catalogueTrusted: isApproved,
    cataloguePinned: false,
    desired: start ? "running" : "stopped",
    startsAsked: 0,
    restartsAsked: 0,
    state: "STOPPED",
    protocolVersion: null,
    era: null,
    serverVersion: null,
    lastError: null,
    pid: null,
    startedAt: null,
    restarts: 0,
    quarantine: null,
    health: null,
    nextAttemptAt: null,
    createdBy: actor,
    createdAt: at,
    updatedAt: at,
  };
  return { record, isApproved, isPrivate: isApproved && (await leadsInside(launch)) };
}

export const leadsInside = async (launch: Launch): Promise<boolean> => launch.transport === "http" && isPrivateTarget(launch.url);

type Recorded = Prepared & { actor: string; action: string };

export async function recordRegistration(
  { audit, egress }: RegistrationDeps,
  tx: Tx,
  { record, isApproved, isPrivate, actor, action }: Recorded,
): Promise<void> {
  const { id, tenantId, name, environment, launch } = record;
  const target = `mcp_server:${id}`;
  await audit.record(tx, { tenantId, actor, action, target, details: { name, environment, launch: summariseLaunch(launch) } });
  if (isApproved) await audit.record(tx, { tenantId, actor, action: "mcp_server.launch_approved", target, details: approvalOf(record) });
  if (isPrivate && launch.transport === "http") await egress.allow(tx, { tenantId, url: launch.url, purpose: "mcp_server", actor });
}

/** What was approved, as the audit trail keeps it. */
export const approvalOf = ({ approvedLaunchHash: hash, approvedRoots: roots }: ServerRecord): Record<string, Json> => ({
  hash,
  ...(roots && { roots: [...roots] }),
});

/** What `ensureServer` is given: a server that the platform itself needs, for example for the demo. */
export type ServerSpec = {
  tenantId: string;
  actor: string;
  name: string;
  description: string;
  environment: Environment;
  launch: Launch;
};
