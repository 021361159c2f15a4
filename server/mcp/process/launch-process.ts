import { homedir } from "node:os";
import type { Launch } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import { resolveArguments, resolveValues, type ConnectDeps, type ConnectOptions } from "../connection/connect-shared.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { serverFolders, type ServerFolders } from "./server-folders.ts";
import type { ServerProcess } from "./server-process.ts";

type StdioLaunch = Extract<Launch, { transport: "stdio" }>;
type Attempt = { server: ServerRecord; launch: StdioLaunch; options: ConnectOptions };

/** Resolves the secrets at the last moment, and tells the journal before the process exists. */
export async function launchProcess(deps: ConnectDeps, { server, launch, options }: Attempt, id: string): Promise<ServerProcess> {
  const folders = await serverFolders(deps.dataDir, server.id);
  const registered = await resolveValues(deps.secrets, server, launch.env);
  const args = await resolveArguments(deps.secrets, server, launch.args);
  const env = { PATH: deps.path, LANG: "C.UTF-8", ...placesOf(launch, folders), ...registered };
  const marker = await deps.processes.starting(server, id);
  const file = options.file ?? launch.command;
  const { caps, sandbox, cwd = folders.work } = launch;
  try {
    options.signal.throwIfAborted();
    const process = await deps.spawn({ id, file, args, env, cwd, folders, marker, caps, sandbox });
    await deps.processes.started(server, { id, pid: process.pid, startTime: process.startTime });
    return process;
  } catch (thrown) {
    await deps.processes.ended({ server, id, exit: undefined, survivors: 0 });
    throw options.signal.aborted ? aborted(thrown) : thrown;
  }
}

/** Outside a sandbox the user's own home: package runners keep their downloads there, and the process could reach it anyway. */
const placesOf = ({ sandbox }: StdioLaunch, { home, tmp }: ServerFolders) =>
  sandbox ? { HOME: home, TMPDIR: "/tmp" } : { HOME: homedir(), TMPDIR: tmp };

export const aborted = (cause: unknown): AppError =>
  new AppError("mcp_server_not_ready", "The server was stopped while it started.", { cause, retryable: true });
