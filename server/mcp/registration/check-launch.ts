import { lookup } from "node:dns/promises";
import ipaddr from "ipaddr.js";
import type { ErrorCode } from "#contract/errors.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Database } from "#server/kernel/ports.ts";
import { findExecutable } from "./executable.ts";
import { launchHash } from "./launch.ts";
import type { LaunchPolicy } from "./launch-policy.ts";
import { allLaunchIssues } from "./refuse-launch.ts";
import { saveInspected } from "./registration-lock.pg.ts";
import { scriptArgument, scriptHash } from "./script.ts";
import { serverFolders } from "../process/server-folders.ts";
import type { ServerRecord } from "./server-record.ts";
import type { ApprovedLaunch } from "../supervision/supervisor-ports.ts";

type Inspect = { launchPolicy: LaunchPolicy; dataDir: string; path: string; hashFile: (file: string) => Promise<string> };
type Inspected = { hash: string; file: string | undefined };

/** What can forbid a launch that could once be approved. */
const NOT_ANY_MORE: ReadonlySet<string> = new Set(["cwd_refused", "command_not_allowed", "folder_not_allowed"]);

/**
 * What a launch would run now. Throws `mcp_command_not_found`, and `launch_refused` for a folder that has become a link and for what the
 * operator does not allow any more.
 */
export const inspectLaunch =
  ({ launchPolicy, dataDir, path, hashFile }: Inspect) =>
  async (serverId: string, launch: Launch): Promise<Inspected> => {
    if (launch.transport === "http") return { hash: launchHash(launch, null), file: undefined };
    const issues = await allLaunchIssues({ ...launch, env: {} }, launchPolicy);
    const refused = issues.find(({ code = "" }) => NOT_ANY_MORE.has(code));
    if (refused !== undefined) throw new AppError("launch_refused", refused.message, { issues: [refused] });
    const { work } = await serverFolders(dataDir, serverId);
    const cwd = launch.cwd ?? work;
    const file = await findExecutable({ command: launch.command, cwd, path });
    return { hash: launchHash(launch, await hashFile(file), await scriptHash(launch, { cwd, hashFile })), file };
  };

export type InspectLaunch = ReturnType<typeof inspectLaunch>;

const NOT_INSTALLED: ReadonlySet<ErrorCode> = new Set(["mcp_command_not_found", "mcp_command_not_executable"]);

/** The hash to register: of the launch with its executable, or without while the command is not installed. */
export async function registeredHash(inspect: InspectLaunch, serverId: string, launch: Launch): Promise<string> {
  try {
    return (await inspect(serverId, launch)).hash;
  } catch (error) {
    if (error instanceof AppError && NOT_INSTALLED.has(error.code)) return launchHash(launch, null);
    throw error;
  }
}

type Deps = { database: Database; audit: Audit; inspect: InspectLaunch; ownerApproves: boolean };

/** The gate before every start: no approval of exactly this, no process. */
export const checkLaunch =
  ({ database, audit, inspect, ownerApproves }: Deps) =>
  async (server: ServerRecord): Promise<ApprovedLaunch> => {
    const { id, tenantId, launch, approvedLaunchHash } = server;
    // What nobody has approved does not even tell whether its command is installed.
    const isKnown = approvedLaunchHash !== null;
    const { hash, file } = isKnown ? await inspect(id, launch) : { hash: await registeredHash(inspect, id, launch), file: undefined };
    const difference = differenceOf(approvedLaunchHash, hash);
    if (approvedLaunchHash !== null && difference === "none")
      return { file, hashes: { launchHash: approvedLaunchHash, approvedLaunchHash } };
    const target = `mcp_server:${id}`;
    // Approved by its owner before the command was installed: what is found first is what was meant.
    const isInstalledNow = approvedLaunchHash === launchHash(launch, null);
    const isEdited = difference === "script" && mayBeEdited({ ownerApproves }, server);
    if (isEdited || (server.catalogueTrusted && isInstalledNow)) {
      const hashes = { launchHash: hash, approvedLaunchHash: hash };
      const entry = { tenantId, action: "mcp_server.launch_approved", target, details: { hash } };
      const why = isEdited
        ? { actor: "system:mcp", reason: "the script of its owner's own registration has changed" }
        : { actor: server.createdBy };
      await database.asTenant(tenantId, async (tx) => {
        // What is held here may be older than what somebody has just registered.
        if (!(await saveInspected(tx, server, { hash, approvedBy: server.createdBy }))) throw changedMeanwhile(server);
        await audit.record(tx, { ...entry, ...why });
      });
      return { file, hashes };
    }
    await database.asTenant(tenantId, async (tx) => {
      await saveInspected(tx, server, { hash });
      const reason = isKnown ? DIFFERS[difference] : "never approved";
      await audit.record(tx, {
        tenantId,
        actor: "system:mcp",
        action: "mcp_server.launch",
        target,
        outcome: "deny",
        reason,
        details: { hash },
      });
    });
    throw difference === "script"
      ? scriptChanged(server)
      : new AppError("launch_not_approved", `The launch of ${server.name} is not the one that was approved.`);
  };

export const changedMeanwhile = ({ name }: Pick<ServerRecord, "name">): AppError =>
  new AppError("conflict", `Somebody has changed the server ${name} meanwhile.`, {
    retryable: true,
    remedy: "Look at the server again, and repeat this if it is still what you want.",
  });

/** How what would run differs from what was approved. An approval from before scripts were looked at says nothing of one. */
export function differenceOf(approved: string | null, now: string): "none" | "script" | "launch" {
  const [launch, script] = approved?.split(".") ?? [];
  const [launchNow, scriptNow] = now.split(".");
  if (launch !== launchNow) return "launch";
  return script === undefined || script === scriptNow ? "none" : "script";
}

const DIFFERS = {
  none: "never approved",
  script: "its script differs from what was approved",
  launch: "differs from what was approved",
} as const;

/** On a machine of one's own, the script of what one has registered oneself: being asked at each change would teach to say yes. */
export const mayBeEdited = ({ ownerApproves }: { ownerApproves: boolean }, { catalogueTrusted }: ServerRecord): boolean =>
  ownerApproves && catalogueTrusted;

/** Of a launch whose script, and nothing else, is not what was approved. */
export function scriptChanged({ name, launch }: Pick<ServerRecord, "name" | "launch">): AppError {
  const script = (launch.transport === "stdio" && scriptArgument(launch)) || "the script";
  return new AppError("launch_not_approved", `${script}, which ${name} runs, has changed since its launch was approved.`, {
    remedy: "Look at the script, and let somebody who may approve the launch again.",
  });
}

/**
 * Whether a URL leads to this machine or a private network, by its address or what its name resolves to now. Only such a
 * target gets an allow entry: an entry for a public name would also let through what the name resolves to tomorrow.
 */
export async function isPrivateTarget(url: string): Promise<boolean> {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  const addresses = ipaddr.isValid(host) ? [host] : await resolveAll(host);
  return addresses.some((address) => ipaddr.process(address).range() !== "unicast");
}

const resolveAll = (host: string): Promise<string[]> =>
  lookup(host, { all: true }).then(
    (found) => found.map(({ address }) => address),
    () => [],
  );
