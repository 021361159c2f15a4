import type { Launch, UpdateMcpServer } from "#contract/mcp/servers.ts";
import { ServerSettings } from "#contract/mcp/settings.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { registeredHash } from "./check-launch.ts";
import { unmaskLaunch } from "./launch.ts";
import { approvesItself, leadsInside, recordRegistration, type Registrant, type RegistrationDeps } from "./register-server.ts";
import { refuseLaunches } from "./refuse-launch.ts";
import type { ServerRecord } from "./server-record.ts";
import { saveDetails, saveLaunch } from "./servers.pg.ts";

/**
 * Changes what is known of a server. Another launch needs its own approval, as at registration: until then nothing of it
 * runs, and what runs of the old one ends, so that an approved name never hides an unapproved command. Settings, the name
 * and the description reach the running server as they are.
 */
export const updateServer =
  (deps: RegistrationDeps) =>
  async (caller: Caller & Registrant, id: string, change: UpdateMcpServer): Promise<SupervisedServer> => {
    const server = await deps.supervisor.get(caller.tenantId, id);
    const before = server.record;
    const launch = change.launch && unmaskLaunch(change.launch, before.launch);
    const relaunched = launch === undefined ? undefined : await newLaunch(deps, caller, { before, launch });
    const record: ServerRecord = {
      ...before,
      ...relaunched?.change,
      name: change.name ?? before.name,
      description: change.description ?? before.description,
      settings: mergeSettings(before.settings, change.settings),
    };
    const { tenantId, ref: actor } = caller;
    await deps.database.asTenant(tenantId, async (tx) => {
      await saveDetails(tx, record);
      const details = { name: record.name, changed: Object.keys(change) };
      await deps.audit.record(tx, { tenantId, actor, action: "mcp_server.updated", target: `mcp_server:${id}`, details });
      if (relaunched === undefined) return;
      await saveLaunch(tx, record, relaunched.isApproved ? actor : null);
      await recordRegistration(deps, tx, { ...relaunched, record, actor, action: "mcp_server.launch_changed" });
    });
    const { name, description, settings } = record;
    server.adopt({ name, description, settings, ...relaunched?.change });
    // Unapproved, the new launch is refused before anything of it exists, and the server's state says why.
    if (relaunched && before.desired === "running") await server.restart().catch(() => {});
    return server;
  };

type Relaunch = { before: ServerRecord; launch: Launch };

/** Undefined when the launch is the one there was. */
async function newLaunch(deps: RegistrationDeps, registrant: Registrant & Caller, { before, launch }: Relaunch) {
  await refuseLaunches(deps)({ tenantId: before.tenantId, actor: registrant.ref }, [{ name: before.name, launch }]);
  const launchHash = await registeredHash(deps.inspect, before.id, launch);
  if (launchHash === before.launchHash && JSON.stringify(launch) === JSON.stringify(before.launch)) return undefined;
  const isApproved = approvesItself(deps, registrant, launch);
  const change = { launch, launchHash, approvedLaunchHash: isApproved ? launchHash : null, catalogueTrusted: isApproved };
  return { change, isApproved, isPrivate: isApproved && (await leadsInside(launch)) };
}

function mergeSettings(before: ServerSettings, change: UpdateMcpServer["settings"]): ServerSettings {
  if (change === undefined) return before;
  const merged = Object.entries({ ...before, ...change }).filter(([, value]) => value !== null);
  const parsed = ServerSettings.safeParse(Object.fromEntries(merged));
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({ path: ["body", "settings", ...path].join("."), message }));
  throw new AppError("request_invalid", `The settings do not fit: ${issues[0]?.path ?? ""}: ${issues[0]?.message ?? ""}.`, { issues });
}
