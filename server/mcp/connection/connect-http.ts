import type { Launch } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import { ending, once, recorder, resolveValues, type ConnectDeps, type ConnectOptions } from "./connect-shared.ts";
import { handshake, newClient, speak, type Connection } from "./connection.ts";
import { connectFailure } from "./failures.ts";
import { HttpTransport } from "./http-transport.ts";
import type { ServerRecord } from "../registration/server-record.ts";

type HttpAttempt = { server: ServerRecord; launch: Extract<Launch, { transport: "http" }>; options: ConnectOptions };

export async function connectHttp(deps: ConnectDeps, { server, launch, options }: HttpAttempt): Promise<Connection> {
  const headers = await resolveValues(deps.secrets, server, launch.headers);
  const frames = recorder(deps, server, deps.newId());
  const transport = new HttpTransport({ url: launch.url, headers, fetch: deps.egress.fetchFor(server.tenantId, "mcp_server"), frames });
  const client = newClient({ version: deps.version, timings: deps.timings, era: "auto", onToolsChanged: options.onToolsChanged });
  try {
    await handshake(client, transport, { timeoutMs: deps.timings.handshakeMs, signal: options.signal });
  } catch (thrown) {
    await client.close().catch(() => {});
    throw connectFailure(thrown, { transport: "http" });
  }
  const end = ending();
  client.onclose = () => end.lose(new AppError("mcp_connection_refused", "The connection to the server was closed.", { retryable: true }));
  const close = async (): Promise<number> => {
    end.ask();
    await client.close().catch(() => {});
    return 0;
  };
  return { transport: "http", pid: null, ...end.seen, ...speak(client, deps.timings), close: once(close) };
}
