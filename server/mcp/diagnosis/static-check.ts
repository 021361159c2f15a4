import { stat } from "node:fs/promises";
import type { Environment } from "#contract/common.ts";
import type { ErrorCode } from "#contract/errors.ts";
import type { CheckFinding } from "#contract/mcp/tests.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Egress, SecretReader } from "#server/kernel/ports.ts";
import { ConnectionFailure } from "../connection/connection-failure.ts";
import { networkFailure } from "../connection/network-failure.ts";
import { serverFolders } from "../process/server-folders.ts";
import type { InspectLaunch } from "../registration/check-launch.ts";
import { findExecutable } from "../registration/executable.ts";
import { launchHash, namedValues, secretInArgument, secretName } from "../registration/launch.ts";
import { allLaunchIssues } from "../registration/refuse-launch.ts";
import { hasApprovedRoots, type ServerRecord } from "../registration/server-record.ts";
import { causeOf } from "./explain-failure.ts";

/** Nodes of the newest versions of workflows that call a tool of a server. */
export type ToolsUsed = (of: {
  tenantId: string;
  environment: Environment;
  server: string;
}) => Promise<{ workflow: string; nodeId: string; tool: string }[]>;

export type CheckDeps = {
  egress: Egress;
  secrets: SecretReader;
  inspect: InspectLaunch;
  launchPolicy: Parameters<typeof allLaunchIssues>[1];
  dataDir: string;
  path: string;
  toolsUsed: ToolsUsed;
  /** Whether the server lists a tool; undefined when it has never listed any. */
  listsTool: (server: ServerRecord, tool: string) => Promise<boolean | undefined>;
};

type Check = (deps: CheckDeps, server: ServerRecord) => Promise<CheckFinding[]>;

/** Everything that can be known to be wrong without starting or calling anything, in one pass. */
export const checkServer =
  (deps: CheckDeps) =>
  async (server: ServerRecord): Promise<CheckFinding[]> => {
    const checks: Check[] = [rules, folder, command, approval, secrets, target, tools];
    return (await Promise.all(checks.map((check) => check(deps, server)))).flat();
  };

const finding = (path: string, error: AppError): CheckFinding => ({
  path,
  code: error.code,
  message: error.message,
  cause: causeOf(error),
  remedy: error.remedy,
});

const rules: Check = async ({ launchPolicy }, { launch }) => {
  const issues = await allLaunchIssues(launch, launchPolicy);
  return issues.map(({ path, message }) => finding(path, new AppError("launch_refused", message)));
};

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

const folder: Check = async (_deps, { launch }) => {
  if (launch.transport === "http" || launch.cwd === undefined || (await isFolder(launch.cwd))) return [];
  const error = new ConnectionFailure("mcp_command_not_found", `The folder ${launch.cwd} does not exist.`, {
    likelyCause: "The folder was moved, or is on another machine.",
    remedy: "Correct the server's cwd, or make the folder.",
  });
  return [finding("launch.cwd", error)];
};

const command: Check = async ({ dataDir, path }, { id, launch }) => {
  if (launch.transport === "http") return [];
  // A command without a path of its own is found whatever the folder is.
  const own = launch.cwd ?? (await serverFolders(dataDir, id)).work;
  const cwd = (await isFolder(own)) ? own : dataDir;
  const error = await failing(findExecutable({ command: launch.command, cwd, path }));
  return error === undefined ? [] : [finding("launch.command", error)];
};

/** What would not run now may still be what was approved. */
const approval: Check = async ({ inspect }, { id, launch, settings, approvedLaunchHash, approvedRoots }) => {
  const waiting = new AppError("launch_not_approved", "The server works in other roots until somebody approves those of its settings.");
  const roots = hasApprovedRoots({ settings, approvedRoots }) ? [] : [finding("settings.roots", waiting)];
  const hash = await inspect(id, launch).then(
    (found) => found.hash,
    () => launchHash(launch, null),
  );
  if (approvedLaunchHash === hash || approvedLaunchHash === launchHash(launch, null)) return roots;
  const message = approvedLaunchHash === null ? "Nobody has approved this launch." : "What would run is not what was approved.";
  return [finding("launch", new AppError("launch_not_approved", message)), ...roots];
};

const secrets: Check = async ({ secrets: vault }, { tenantId, id, environment, launch }) => {
  const named = namedValues(launch).flatMap(([where, values]) =>
    Object.entries(values).map(([key, value]) => ({ path: `launch.${where}.${key}`, name: secretName(value) })),
  );
  const args = launch.transport === "http" ? [] : launch.args;
  const all = [...named, ...args.map((arg, i) => ({ path: `launch.args.${i}`, name: secretInArgument(arg)?.name }))];
  const found = all.map(async ({ path, name }) => {
    if (name === undefined) return [];
    const error = await failing(vault.read({ tenantId, name, environment, usedBy: `mcp_server:${id}` }));
    return error === undefined ? [] : [finding(path, error)];
  });
  return (await Promise.all(found)).flat();
};

const target: Check = async ({ egress }, { tenantId, launch }) => {
  if (launch.transport === "stdio") return [];
  const error = await failing(egress.probe({ tenantId, url: launch.url, purpose: "mcp_server" }));
  return error === undefined ? [] : [finding("launch.url", error)];
};

const tools: Check = async ({ toolsUsed, listsTool }, server) => {
  const { tenantId, environment, name } = server;
  const used = await toolsUsed({ tenantId, environment, server: name });
  const found = used.map(async ({ workflow, nodeId, tool }) => {
    if ((await listsTool(server, tool)) !== false) return [];
    const message = `The step ${nodeId} of the workflow ${workflow} calls the tool ${tool}, which this server does not list.`;
    return [finding(`workflows.${workflow}.${nodeId}`, new AppError("mcp_tool_unknown", message))];
  });
  return (await Promise.all(found)).flat();
};

/** What a step of the check fails with, if that says something about the server. */
async function failing(task: Promise<unknown>): Promise<AppError | undefined> {
  try {
    await task;
    return undefined;
  } catch (thrown) {
    if (thrown instanceof AppError && !OURS.has(thrown.code)) return thrown;
    const failure = networkFailure(thrown);
    if (failure) return failure;
    throw thrown;
  }
}

/** Of the platform, not of the server. */
const OURS: ReadonlySet<ErrorCode> = new Set(["database_unavailable", "unavailable", "internal"]);
