import type { Launch } from "#contract/mcp/servers.ts";
import type { AppError } from "#server/kernel/errors.ts";
import { answeringFor, ending, once, recorder, watchVersion, type ConnectDeps, type ConnectOptions } from "./connect-shared.ts";
import { handshake, newClient, speak, type Connection } from "./connection.ts";
import type { Opening } from "./era-verdicts.ts";
import { connectFailure, lostProcess } from "./failures.ts";
import { aborted, launchProcess } from "../process/launch-process.ts";
import { launchRefusal } from "../process/launcher.ts";
import type { Exit } from "../process/execute.ts";
import type { ServerProcess } from "../process/server-process.ts";
import { readStderr } from "../process/stderr-lines.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { StdioTransport } from "./stdio-transport.ts";

type StdioAttempt = { server: ServerRecord; launch: Extract<Launch, { transport: "stdio" }>; options: ConnectOptions; opening: Opening };

export async function connectStdio(deps: ConnectDeps, attempt: StdioAttempt): Promise<Connection> {
  const { server, options, opening } = attempt;
  const id = deps.newId();
  const process = await launchProcess(deps, attempt, id);
  options.onOpen?.();
  const seen = watchOutput(deps, server, { process, id });
  const watch = watchVersion(recorder(deps, server, { connectionId: id, transport: "stdio" }));
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
    throw options.signal.aborted
      ? aborted(thrown)
      : connectFailure(seen.fatal() ?? (exited && launchRefusal(exited, seen.tail())) ?? thrown, circumstances);
  }
  client.callOver(transport);
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

const TAIL_LINES = 5;
const SHOWN_CHARS = 300;

/** Keeps stderr, and what else would explain a failure: redacted before it is cut, since half a secret is not known as one. */
function watchOutput({ logs, redactor }: ConnectDeps, server: ServerRecord, { process, id }: { process: ServerProcess; id: string }) {
  const tail: string[] = [];
  let output: string | undefined;
  let fatal: AppError | undefined;
  const onLine = (line: string): void => {
    logs.add(server, "stderr", { text: line, processId: id });
    tail.push(redactor.text(line).slice(0, SHOWN_CHARS));
    if (tail.length > TAIL_LINES) tail.shift();
  };
  const onOverflow = (): void => logs.add(server, "event", { text: "a line of stderr was too long and is left out", processId: id });
  readStderr(process.child.stderr, { onLine, onOverflow, onDropped: (lines) => logs.drop(server, lines) });
  return {
    tail: () => tail.join("\n"),
    output: () => output,
    fatal: () => process.overLimit() ?? fatal,
    fail: (error: AppError): void => void (fatal ??= error),
    garbage: (line: string): void => {
      const said = redactor.text(line).slice(0, SHOWN_CHARS);
      output ??= said;
      logs.add(server, "event", { text: `not a message, on stdout: ${said}`, processId: id });
    },
    flood: (count: number): void =>
      logs.add(server, "event", { text: `${count} lines on stdout came too fast and are left out`, processId: id }),
  };
}
