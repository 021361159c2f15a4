import { AppError } from "#server/kernel/errors.ts";
import { connectHttp } from "./connect-http.ts";
import type { ConnectDeps, ConnectOptions } from "./connect-shared.ts";
import { connectStdio, type Era } from "./connect-stdio.ts";
import type { Connection } from "./connection.ts";
import type { ServerRecord } from "../registration/server-record.ts";

/** How long a server is known to be of the 2025 era before it is asked again. */
const VERDICT_MS = 60 * 60 * 1000;

/** Opens conversations. Rejects with an `AppError` that has the failure's class; nothing is left running then. */
export function createConnect(deps: ConnectDeps): (server: ServerRecord, options: ConnectOptions) => Promise<Connection> {
  const legacyUntil = new Map<string, number>();
  const eraOf = (server: ServerRecord): Era => ((legacyUntil.get(server.launchHash) ?? 0) > Date.now() ? "legacy" : "auto");
  const remember = (server: ServerRecord): void => void legacyUntil.set(server.launchHash, Date.now() + VERDICT_MS);

  return async (server, options) => {
    const { launch } = server;
    if (launch.transport === "http") return connectHttp(deps, { server, launch, options });
    const era = eraOf(server);
    try {
      const connection = await connectStdio(deps, { server, launch, options, era });
      if (connection.isLegacy) remember(server);
      return connection;
    } catch (error) {
      // Some servers of the 2025 era end on any first message but `initialize`; those get it first, in a new process.
      const diedOfProbe = era === "auto" && error instanceof AppError && error.code === "mcp_exited" && !options.signal.aborted;
      if (!diedOfProbe) throw error;
      remember(server);
      return connectStdio(deps, { server, launch, options, era: "legacy" });
    }
  };
}
