import type { Transport } from "@modelcontextprotocol/client";
import type { Launch } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import { ConnectionFailure } from "./connection-failure.ts";
import {
  answeringFor,
  ending,
  once,
  recorder,
  resolveValues,
  watchVersion,
  type ConnectDeps,
  type ConnectOptions,
} from "./connect-shared.ts";
import { handshake, newClient, speak, type Connection } from "./connection.ts";
import type { Opening } from "./era-verdicts.ts";
import { connectFailure } from "./failures.ts";
import { addressWith } from "./address-with.ts";
import { witnessAnswers } from "./http-answer.ts";
import { HttpTransport, type HttpTransportOptions } from "./http-transport.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { SseTransport } from "./sse-transport.ts";

type HttpLaunch = Extract<Launch, { transport: "http" }>;
type HttpAttempt = { server: ServerRecord; launch: HttpLaunch; options: ConnectOptions; opening: Opening };

/** A launch that does not say which of the two ways it is may be of the old one: the server then has nothing for a POST. */
export async function connectHttp(deps: ConnectDeps, attempt: HttpAttempt): Promise<Connection> {
  const { launch, options } = attempt;
  if (launch.type === "sse") return open(deps, attempt, sse);
  try {
    return await open(deps, attempt, streamable);
  } catch (error) {
    if (launch.type !== undefined || options.signal.aborted || !takesNoPost(error)) throw error;
    return open(deps, attempt, sse).catch((second: unknown) => {
      // Only where there is such a stream does the second failure say more than the first.
      throw isNoStream(second) ? error : second;
    });
  }
}

const NO_POST = new Set([400, 404, 405]);
const takesNoPost = (error: unknown): boolean =>
  error instanceof ConnectionFailure && error.evidence.http !== undefined && NO_POST.has(error.evidence.http.status);
const isNoStream = (error: unknown): boolean => error instanceof ConnectionFailure && error.evidence.http !== undefined;

type Way = (options: HttpTransportOptions) => Transport;
const streamable: Way = (options) => new HttpTransport(options);
const sse: Way = (options) => new SseTransport(options);

async function open(deps: ConnectDeps, { server, launch, options, opening }: HttpAttempt, way: Way): Promise<Connection> {
  const headers = sendable(await resolveValues(deps, server, launch.headers));
  const query = launch.query && (await resolveValues(deps, server, launch.query));
  const watch = watchVersion(recorder(deps, server, { connectionId: deps.newId(), transport: way === sse ? "sse" : "http" }));
  const answers = witnessAnswers(deps.egress.fetchFor(server.tenantId, "mcp_server", { staysAtOrigin: query !== undefined }), () =>
    options.onOpen?.(),
  );
  let fatal: Error | undefined;
  const answering = answeringFor(deps, server, { options });
  const transport = way({
    url: query ? addressWith(launch.url, query) : launch.url,
    headers,
    fetch: answers.fetch,
    frames: watch.frames,
    timings: deps.timings,
    onFlood: (count) => answering.note(`${count} events came too fast and are left out`),
    onFatal: (error) => void (fatal ??= error),
  });
  const era = way === sse ? "legacy" : opening;
  const { version, timings } = deps;
  const client = newClient({ version, timings, era, onToolsChanged: options.onToolsChanged, answering });
  try {
    await handshake(client, transport, { timeoutMs: deps.timings.handshakeMs, signal: options.signal });
  } catch (thrown) {
    await client.close().catch(() => {});
    throw connectFailure(fatal ?? thrown, { transport: "http", answer: answers.seen(), version: watch.version() });
  }
  answers.done();
  const end = ending();
  client.onclose = () => end.lose(lost(fatal));
  const close = async (): Promise<number> => {
    end.ask();
    await client.close().catch(() => {});
    return 0;
  };
  return { transport: "http", pid: null, ...end.seen, ...speak(client, deps.timings), close: once(close) };
}

/** Throws for a value that no header can have; what stands in the launch has been looked at, a secret has not. */
function sendable(headers: Record<string, string>): Record<string, string> {
  const [name] = Object.entries(headers).find(([, value]) => !/^[\t\x20-\x7e\x80-\xff]*$/.test(value.trim())) ?? [];
  if (name === undefined) return headers;
  throw new ConnectionFailure("mcp_handshake_failed", `The value of the header ${name} cannot be sent.`, {
    likelyCause: "It has a line break, or a character that no header may have.",
    remedy: "Store the secret again, as the one line that the server expects.",
  });
}

function lost(fatal: Error | undefined): AppError {
  if (fatal instanceof AppError) return fatal;
  return new AppError("mcp_connection_refused", "The connection to the server was closed.", { retryable: true, cause: fatal });
}
