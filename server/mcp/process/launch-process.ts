import { homedir } from "node:os";
import type { Launch } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import { resolveArguments, resolveValues, type ConnectDeps, type ConnectOptions } from "../connection/connect-shared.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { PROXY_VARIABLES } from "./handing-over.ts";
import { createHostProxy, type HostProxy } from "./host-proxy.ts";
import { serverFolders, type ServerFolders } from "./server-folders.ts";
import type { ServerProcess } from "./server-process.ts";

type StdioLaunch = Extract<Launch, { transport: "stdio" }>;
type Attempt = { server: ServerRecord; launch: StdioLaunch; options: ConnectOptions };

/** Resolves the secrets at the last moment, and tells the journal before the process exists. */
export async function launchProcess(deps: ConnectDeps, { server, launch, options }: Attempt, id: string): Promise<ServerProcess> {
  const folders = await serverFolders(deps.dataDir, server.id);
  const registered = await resolveValues(deps, server, launch.env);
  const args = await resolveArguments(deps, server, launch.args);
  const { caps, sandbox, cwd = folders.work } = launch;
  const proxy = typeof sandbox?.network === "object" ? proxyFor(deps, { server, id, hosts: sandbox.network.hosts }) : undefined;
  const env = { PATH: deps.path, LANG: "C.UTF-8", ...placesOf(launch, folders), ...registered, ...(proxy && PROXY_VARIABLES) };
  const marker = await deps.processes.starting(server, id);
  const file = options.file ?? launch.command;
  try {
    options.signal.throwIfAborted();
    const process = await deps.spawn({ id, file, args, env, cwd, folders, marker, caps, sandbox, proxy });
    await deps.processes.started(server, { id, pid: process.pid, startTime: process.startTime });
    return process;
  } catch (thrown) {
    await deps.processes.ended({ server, id, exit: undefined, survivors: 0 });
    throw options.signal.aborted ? aborted(thrown) : thrown;
  }
}

type Confined = { server: ServerRecord; id: string; hosts: readonly string[] };

const proxyFor = ({ egress, processes, logs }: ConnectDeps, { server, id, hosts }: Confined): HostProxy =>
  createHostProxy({
    hosts,
    connect: egress.connectFor(server.tenantId, "mcp_sandbox"),
    onRefused: (refusal) => processes.refused(server, { ...refusal, id }),
    onEnd: (refusals) => {
      if (refusals > 0) logs.add(server, "event", { text: `connections out of the sandbox that were refused: ${refusals}`, processId: id });
    },
  });

/** Outside a sandbox the user's own home: package runners keep their downloads there, and the process could reach it anyway. */
const placesOf = ({ sandbox }: StdioLaunch, { home, tmp }: ServerFolders) =>
  sandbox ? { HOME: home, TMPDIR: "/tmp" } : { HOME: homedir(), TMPDIR: tmp };

export const aborted = (cause: unknown): AppError =>
  new AppError("mcp_server_not_ready", "The server was stopped while it started.", { cause, retryable: true });
