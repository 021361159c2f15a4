import type { Launch, UpdateMcpServer } from "#contract/mcp/servers.ts";
import { ServerSettings } from "#contract/mcp/settings.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { checkAllowFlagged } from "./allow-flagged.ts";
import { changedMeanwhile, differenceOf, registeredHash } from "./check-launch.ts";
import { unmaskLaunch } from "./launch.ts";
import { approvesItself, leadsInside, recordRegistration, type Registrant, type RegistrationDeps } from "./register-server.ts";
import { refuseLaunches } from "./refuse-launch.ts";
import { isStillRegistered } from "./registration-lock.pg.ts";
import { isApproved, type ServerRecord } from "./server-record.ts";
import { findServer, saveAsked, saveDetails, saveLaunch } from "./servers.pg.ts";

/** Others may change a server at the same time: whoever comes second begins again with what the first has written. */
const ATTEMPTS = 20;

/**
 * Changes what is known of a server. Another launch needs its own approval, as at registration: until then nothing of it
 * runs, and what runs of the old one ends, so that an approved name never hides an unapproved command. Other roots need it too;
 * until then the server goes on with those that it had. Other settings, the name and the description reach the running server as
 * they are.
 */
export const updateServer =
  (deps: RegistrationDeps) =>
  async (caller: Caller & Registrant, id: string, change: UpdateMcpServer): Promise<SupervisedServer> => {
    const server = await deps.supervisor.get(caller.tenantId, id);
    for (let attempt = 1; ; attempt += 1) {
      // What is stored, not what is held here: another process may have changed it a moment ago.
      const before = (await deps.database.asTenant(caller.tenantId, (tx) => findServer(tx, id)))?.record ?? server.record;
      const planned = await planUpdate(deps, caller, { before, change });
      if (await storeUpdate(deps, caller, { planned, change })) return carryOut(server, planned);
      if (attempt === ATTEMPTS) throw changedMeanwhile(before);
    }
  };

type Asked = { before: ServerRecord; change: UpdateMcpServer };
type Planned = Awaited<ReturnType<typeof planUpdate>>;

/** What the server would be, and who could approve that. Throws what forbids it. */
async function planUpdate(deps: RegistrationDeps, caller: Caller & Registrant, { before, change }: Asked) {
  const launch = change.launch && unmaskLaunch(change.launch, before.launch);
  const relaunched = launch === undefined ? undefined : await newLaunch(deps, caller, { before, launch });
  const namesRoots = change.settings !== undefined && Object.hasOwn(change.settings, "roots");
  const settings = mergeSettings(before.settings, change.settings);
  checkAllowFlagged(before.settings, settings, { ...caller, createdBy: before.createdBy, ownerApproves: deps.ownerApproves });
  const approvesRoots = namesRoots && approvesItself(deps, caller, launch ?? before.launch);
  const changed: ServerRecord = {
    ...before,
    ...relaunched?.change,
    name: change.name ?? before.name,
    description: change.description ?? before.description,
    settings,
    ...(approvesRoots && { approvedRoots: settings.roots ?? null }),
  };
  const asks = relaunched !== undefined || namesRoots;
  const record = asks ? { ...changed, launchMakers: makersOf(before, changed, caller.ref) } : changed;
  return { before, record, relaunched, namesRoots, approvesRoots, asks };
}

/** False when the server is not any more what this was planned from; then nothing is written. */
function storeUpdate(
  deps: RegistrationDeps,
  { tenantId, ref: actor }: Caller,
  { planned, change }: { planned: Planned; change: UpdateMcpServer },
): Promise<boolean> {
  const { before, record, relaunched, namesRoots, approvesRoots, asks } = planned;
  const target = `mcp_server:${record.id}`;
  const roots = { roots: record.settings.roots ?? null };
  const { allowFlagged } = record.settings;
  const details = {
    name: record.name,
    changed: Object.keys(change),
    ...(namesRoots && roots),
    ...(allowFlagged !== before.settings.allowFlagged && { allowFlagged: allowFlagged ?? false }),
  };
  return deps.database.asTenant(tenantId, async (tx) => {
    const isStill = await isStillRegistered(tx, before);
    if (isStill === undefined) throw new AppError("not_found", `There is no MCP server ${record.id}.`);
    if (!isStill) return false;
    await saveDetails(tx, record);
    await deps.audit.record(tx, { tenantId, actor, action: "mcp_server.updated", target, details });
    if (asks) await saveAsked(tx, record);
    if (relaunched !== undefined) {
      await saveLaunch(tx, record, relaunched.isApproved ? actor : null);
      await recordRegistration(deps, tx, { ...relaunched, record, actor, action: "mcp_server.launch_changed" });
    } else if (approvesRoots) {
      await deps.audit.record(tx, { tenantId, actor, action: "mcp_server.roots_approved", target, details: roots });
    }
    return true;
  });
}

async function carryOut(server: SupervisedServer, { before, record, relaunched }: Planned): Promise<SupervisedServer> {
  const { name, description, settings, approvedRoots, launchMakers } = record;
  server.adopt({ name, description, settings, approvedRoots, launchMakers, ...relaunched?.change });
  // Unapproved, the new launch is refused before anything of it exists, and the server's state says why.
  if (relaunched && before.desired === "running") await server.restart().catch(() => {});
  return server;
}

/** Who has asked for what waits: nobody, if nothing does. */
function makersOf(before: ServerRecord, after: ServerRecord, actor: string): readonly string[] {
  if (isApproved(after)) return [];
  const known = isApproved(before) ? [] : before.launchMakers.length > 0 ? before.launchMakers : [before.createdBy];
  return [...new Set([...known, actor])];
}

type Relaunch = { before: ServerRecord; launch: Launch };

/** Undefined when the launch is the one there was. */
async function newLaunch(deps: RegistrationDeps, registrant: Registrant & Caller, { before, launch }: Relaunch) {
  await refuseLaunches(deps)({ tenantId: before.tenantId, actor: registrant.ref }, [{ name: before.name, launch }]);
  const launchHash = await registeredHash(deps.inspect, before.id, launch);
  if (differenceOf(before.launchHash, launchHash) === "none" && JSON.stringify(launch) === JSON.stringify(before.launch)) return undefined;
  const isOwn = approvesItself(deps, registrant, launch);
  const change = { launch, launchHash, approvedLaunchHash: isOwn ? launchHash : null, catalogueTrusted: isOwn };
  return { change, isApproved: isOwn, isPrivate: isOwn && (await leadsInside(launch)) };
}

function mergeSettings(before: ServerSettings, change: UpdateMcpServer["settings"]): ServerSettings {
  if (change === undefined) return before;
  const merged = Object.entries({ ...before, ...change }).filter(([, value]) => value !== null);
  const parsed = ServerSettings.safeParse(Object.fromEntries(merged));
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({ path: ["body", "settings", ...path].join("."), message }));
  throw new AppError("request_invalid", `The settings do not fit: ${issues[0]?.path ?? ""}: ${issues[0]?.message ?? ""}.`, { issues });
}
