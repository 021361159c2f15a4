import { rm } from "node:fs/promises";
import type { Environment } from "#contract/common.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import { serverFolder } from "../process/server-folders.ts";
import { refuseLaunches } from "../registration/refuse-launch.ts";
import { prepare, type Registrant, type RegistrationDeps } from "../registration/register-server.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { insertTrial, removeTrial } from "./tests.pg.ts";

export type TrialDeps = RegistrationDeps & { dataDir: string; log: Log };

/**
 * A launch that nobody has registered, as a server for the time of one test. The rules of a registration hold: it runs only when
 * registering it would itself be the approval, and an address inside is allowed as it would be then. Throws `launch_not_approved`
 * and `launch_refused`, which leaves nothing but a line in the audit trail.
 */
export async function beginTrial(
  deps: TrialDeps,
  registrant: Registrant,
  { launch, environment }: { launch: Launch; environment: Environment },
): Promise<ServerRecord> {
  const { database, audit, egress } = deps;
  const { tenantId, actor } = registrant;
  const name = `trial-${deps.newId().slice(-12)}`;
  await refuseLaunches(deps)(registrant, [{ name: "the launch", launch }]);
  const { record, isApproved, isPrivate } = await prepare(deps, registrant, { name, description: "", environment, launch, start: false });
  const entry = { tenantId, actor, action: "mcp_server.tested", target: "mcp_server:new", details: { hash: record.launchHash } };
  if (!isApproved) {
    await database.asTenant(tenantId, (tx) => audit.record(tx, { ...entry, outcome: "deny", reason: "launch_not_approved" }));
    throw new AppError("launch_not_approved", "Only a launch that your registration would approve can be tested before it is registered.", {
      remedy: "Register it, have an owner approve it, and test it then.",
    });
  }
  await database.asTenant(tenantId, async (tx) => {
    await insertTrial(tx, record, actor);
    await audit.record(tx, entry);
    if (isPrivate && launch.transport === "http") await egress.allow(tx, { tenantId, url: launch.url, purpose: "mcp_server", actor });
  });
  return record;
}

/** Never rejects: what cannot be removed is only left over. */
export async function endTrial({ database, dataDir, log }: TrialDeps, { id, tenantId }: ServerRecord): Promise<void> {
  try {
    await database.asTenant(tenantId, (tx) => removeTrial(tx, id));
    await rm(serverFolder(dataDir, id), { recursive: true, force: true });
  } catch (error) {
    log.warn("what a test has left could not be removed", { serverId: id, error });
  }
}
