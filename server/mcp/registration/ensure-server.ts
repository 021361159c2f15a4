import { AppError } from "#server/kernel/errors.ts";
import { differenceOf, registeredHash } from "./check-launch.ts";
import { leadsInside, recordRegistration, registerServers, type RegistrationDeps, type ServerSpec } from "./register-server.ts";
import { refuseLaunches } from "./refuse-launch.ts";
import { saveLaunch } from "./servers.pg.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";

/** Registers the server, or gives the one of this name this launch; either way it is wanted and, where owners approve, approved. */
export const ensureServer =
  (deps: RegistrationDeps) =>
  async (spec: ServerSpec): Promise<SupervisedServer> => {
    const found = await deps.supervisor.find(spec);
    if (found) return adjust(deps, found, spec);
    const [server] = await registerServers(deps)({ tenantId: spec.tenantId, actor: spec.actor, mayApprove: true, isOwner: true }, [
      { ...spec, start: true },
    ]);
    if (!server) throw new AppError("internal", "A registration returned no server.");
    return server;
  };

async function adjust(
  deps: RegistrationDeps,
  server: SupervisedServer,
  { actor, launch, description }: ServerSpec,
): Promise<SupervisedServer> {
  const { record } = server;
  await refuseLaunches(deps)({ tenantId: record.tenantId, actor }, [{ name: record.name, launch }]);
  const launchHash = await registeredHash(deps.inspect, record.id, launch);
  const isSettled = differenceOf(record.approvedLaunchHash, launchHash) === "none" || !deps.ownerApproves;
  if (differenceOf(record.launchHash, launchHash) === "none" && isSettled) return server;
  const isApproved = deps.ownerApproves;
  const change = { launch, description, launchHash, approvedLaunchHash: isApproved ? launchHash : null, catalogueTrusted: isApproved };
  const isPrivate = isApproved && (await leadsInside(launch));
  const changed = { ...record, ...change };
  await deps.database.asTenant(record.tenantId, async (tx) => {
    await saveLaunch(tx, changed, isApproved ? actor : null);
    await recordRegistration(deps, tx, { record: changed, isApproved, isPrivate, actor, action: "mcp_server.launch_changed" });
  });
  server.adopt(change);
  await server.stop();
  return server;
}
