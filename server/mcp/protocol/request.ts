import type { Connection } from "../connection/connection.ts";
import { callFailure, endsConnection } from "../connection/failures.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";

/** A request that can do no harm when it is repeated, with its failure's class; what shows that the connection is lost is told. */
export async function request<T>(server: SupervisedServer, connection: Connection, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    const failure = callFailure(thrown, { transport: connection.transport, repeatable: true, loss: connection.lossReason() });
    if (endsConnection(thrown)) server.reportLost(connection, failure);
    throw failure;
  }
}
