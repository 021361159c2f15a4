import type { Launch } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import { ending, once, recorder, resolveArguments, resolveValues, type ConnectDeps, type ConnectOptions } from "./connect-shared.ts";
import { handshake, newClient, speak, type Connection } from "./connection.ts";
import { connectFailure, describeExit } from "./failures.ts";
import { lineSplitter } from "./line-splitter.ts";
import { serverFolders } from "../process/server-folders.ts";
import { spawnServer, type Exit, type ServerProcess } from "../process/server-process.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { StdioTransport } from "./stdio-transport.ts";

export type Era = "auto" | "legacy";
type StdioAttempt = { server: ServerRecord; launch: Extract<Launch, { transport: "stdio" }>; options: ConnectOptions; era: Era };

export async function connectStdio(deps: ConnectDeps, attempt: StdioAttempt): Promise<Connection & { isLegacy: boolean }> {
  const { server, options, era } = attempt;
  const id = deps.newId();
  const process = await launchProcess(deps, attempt, id);
  const seen = watchOutput(deps, server, { process, id });
  const client = newClient({ version: deps.version, timings: deps.timings, era, onToolsChanged: options.onToolsChanged });
  let exit: Exit | undefined;
  void process.exited.then((how) => (exit = how));
  const endProcess = once(async () => {
    const survivors = await process.stop();
    await deps.processes.ended({ server, id, exit, survivors });
    return survivors;
  });
  const transport = new StdioTransport({ process, frames: recorder(deps, server, id), onGarbage: seen.garbage, onFatal: seen.fail });
  try {
    await handshake(client, transport, { timeoutMs: deps.timings.handshakeMs, signal: options.signal });
  } catch (thrown) {
    const exited = exit;
    await client.close().catch(() => {});
    await endProcess();
    const circumstances = { transport: "stdio", exit: exited, sawGarbage: seen.sawGarbage(), stderr: seen.tail() } as const;
    throw options.signal.aborted ? aborted(thrown) : connectFailure(seen.fatal() ?? thrown, circumstances);
  }
  const end = ending();
  client.onclose = () => end.lose(seen.fatal() ?? lostProcess(exit, seen.tail()));
  if (exit !== undefined) end.lose(lostProcess(exit, seen.tail()));
  const close = async (): Promise<number> => {
    end.ask();
    await client.close().catch(() => {});
    return endProcess();
  };
  const isLegacy = client.getProtocolEra() !== "modern";
  return { transport: "stdio", pid: process.pid, ...end.seen, isLegacy, ...speak(client, deps.timings), close: once(close) };
}

/** Resolves the secrets at the last moment, and tells the journal before the process exists. */
async function launchProcess(deps: ConnectDeps, { server, launch, options }: StdioAttempt, id: string): Promise<ServerProcess> {
  const folders = await serverFolders(deps.dataDir, server.id);
  const registered = await resolveValues(deps.secrets, server, launch.env);
  const args = await resolveArguments(deps.secrets, server, launch.args);
  const env = { PATH: deps.path, HOME: folders.home, LANG: "C.UTF-8", TMPDIR: folders.tmp, ...registered };
  const marker = await deps.processes.starting(server, id);
  try {
    options.signal.throwIfAborted();
    const process = await spawnServer(
      { file: options.file ?? launch.command, args, env, cwd: launch.cwd ?? folders.work, marker },
      deps.timings,
    );
    await deps.processes.started(server, { id, pid: process.pid, startTime: process.startTime });
    return process;
  } catch (thrown) {
    await deps.processes.ended({ server, id, exit: undefined, survivors: 0 });
    throw options.signal.aborted ? aborted(thrown) : thrown;
  }
}

const STDERR_LINE_BYTES = 64 * 1024;
const TAIL_LINES = 5;

/** Keeps stderr, and what else would explain a failure. */
function watchOutput({ logs, redactor }: ConnectDeps, server: ServerRecord, { process, id }: { process: ServerProcess; id: string }) {
  const tail: string[] = [];
  let sawGarbage = false;
  let fatal: AppError | undefined;
  const onLine = (line: string): void => {
    logs.add(server, "stderr", { text: line, processId: id });
    tail.push(line.slice(0, 300));
    if (tail.length > TAIL_LINES) tail.shift();
  };
  const onOverflow = (): void => logs.add(server, "event", { text: "a line of stderr was too long and is left out", processId: id });
  process.child.stderr.on("data", lineSplitter({ maxBytes: STDERR_LINE_BYTES, onLine, onOverflow }));
  process.child.stderr.on("error", () => {});
  return {
    tail: () => redactor.text(tail.join("\n")),
    sawGarbage: () => sawGarbage,
    fatal: () => fatal,
    fail: (error: AppError): void => void (fatal ??= error),
    garbage: (line: string): void => {
      sawGarbage = true;
      logs.add(server, "event", { text: `not a message, on stdout: ${line.slice(0, 300)}`, processId: id });
    },
  };
}

function lostProcess(exit: Exit | undefined, stderr: string): AppError {
  const how = exit ? describeExit(exit) : "its output was closed";
  return new AppError("mcp_exited", `The server's process ended (${how}).${stderr ? ` Its stderr ends with: ${stderr.slice(-500)}` : ""}`, {
    retryable: true,
  });
}

const aborted = (cause: unknown): AppError =>
  new AppError("mcp_server_not_ready", "The server was stopped while it started.", { cause, retryable: true });
