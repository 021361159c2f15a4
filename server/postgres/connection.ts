import { Client, type ClientConfig } from "pg";
import { translatePgFailure } from "./pg-failure.ts";

export const CONNECT_TIMEOUT_MS = 10_000;

/** One connection of its own. A break while it is idle shows at its next use instead of ending the process. */
export async function connect(url: string, settings: ClientConfig = {}): Promise<Client> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, keepAlive: true, ...settings });
  client.on("error", () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw translatePgFailure(error, true);
  }
}
