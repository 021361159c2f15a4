import type { AppError } from "#server/kernel/errors.ts";
import type { Connection } from "../connection/connection.ts";
import { callFailure, doubtsConnection, endsConnection } from "../connection/failures.ts";
import type { CallOptions } from "../connection/open-call.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";

/** A request that can do no harm when it is repeated, with its failure's class; what shows that the connection is lost is told. */
export async function request<T>(server: SupervisedServer, connection: Connection, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    const failure = callFailure(thrown, { transport: connection.transport, repeatable: true, loss: connection.lossReason() });
    tellOf(server, connection, { thrown, failure });
    throw failure;
  }
}

/** What a failed request says of the connection that it went over. */
export function tellOf(
  server: SupervisedServer,
  connection: Connection,
  { thrown, failure }: { thrown: unknown; failure: AppError },
): void {
  if (endsConnection(thrown)) server.reportLost(connection, failure);
  else if (doubtsConnection(thrown)) void server.refresh();
}

type Asking = { sessionKey: string; timeoutMs: number; signal: AbortSignal };

/** The same, over a connection for this session, as soon as there is one. */
export async function askServer<T>(
  server: SupervisedServer,
  { sessionKey, timeoutMs, signal }: Asking,
  send: (connection: Connection, options: CallOptions) => Promise<T>,
): Promise<T> {
  const inTime = (): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const lease = server.lease(sessionKey) ?? (await server.acquire({ sessionKey, signal: inTime() }));
  try {
    return await request(server, lease.connection, () => send(lease.connection, { timeoutMs, signal }));
  } finally {
    lease.release();
  }
}
