import type { Launch } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import {
  answeringFor,
  ending,
  once,
  recorder,
  resolveArguments,
  resolveValues,
  watchVersion,
  type ConnectDeps,
  type ConnectOptions,
} from "./connect-shared.ts";
import { handshake, newClient, speak, type Connection } from "./connection.ts";
import type { Opening } from "./era-verdicts.ts";
import { connectFailure, lostProcess } from "./failures.ts";
import { lineSplitter } from "./line-splitter.ts";
import { serverFolders } from "../process/server-folders.ts";
import { spawnServer, type Exit, type ServerProcess } from "../process/server-process.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { StdioTransport } from "./stdio-transport.ts";

type StdioAttempt = { server: ServerRecord; launch: Extract<Launch, { transport: "stdio" }>; options: ConnectOptions; opening: Opening };

export async function connectStdio(deps: ConnectDeps, attempt: StdioAttempt): Promise<Connection> {
  const { server, options, opening } = attempt;
  const id = deps.newId();
  const process = await launchProcess(deps, attempt, id);
  options.onOpen?.();
  const seen = watchOutput(deps, server, { process, id });
  const watch = watchVersion(recorder(deps, server, id));
  const answering = answeringFor(deps, server, { options, processId: id });
  const { version, timings } = deps;
  const client = newClient({ version, timings, era: opening, onToolsChanged: options.onToolsChanged, answering });
  let exit: Exit | undefined;
  void process.exited.then((how) => (exit = how));
  const endProcess = once(async () => {
    const survivors = await process.stop();
    await deps.processes.ended({ server, id, exit, survivors });
    return survivors;
  });
  const transport = new StdioTransport({ process, frames: watch.frames, onGarbage: seen.garbage, onFlood: seen.flood, onFatal: seen.fail });
  try {
    await handshake(client, transport, { timeoutMs: deps.timings.handshakeMs, signal: options.signal });
  } catch (thrown) {
    const exited = exit;
    await client.close().catch(() => {});
    await endProcess();
    const circumstances = {
      transport: "stdio",
      exit: exited,
      output: seen.output(),
      stderr: seen.tail(),
      version: watch.version(),
    } as const;
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
  return { transport: "stdio", pid: process.pid, ...end.seen, ...speak(client, deps.timings), close: once(close) };
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
  let output: string | undefined;
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
    output: () => output,
    fatal: () => fatal,
    fail: (error: AppError): void => void (fatal ??= error),
    garbage: (line: string): void => {
      output ??= redactor.text(line.slice(0, 300));
      logs.add(server, "event", { text: `not a message, on stdout: ${line.slice(0, 300)}`, processId: id });
    },
    flood: (count: number): void =>
      logs.add(server, "event", { text: `${count} lines on stdout came too fast and are left out`, processId: id }),
  };
}

const aborted = (cause: unknown): AppError =>
  new AppError("mcp_server_not_ready", "The server was stopped while it started.", { cause, retryable: true });
