import { AppError } from "#server/kernel/errors.ts";
import { connectHttp } from "./connect-http.ts";
import type { ConnectDeps, ConnectOptions } from "./connect-shared.ts";
import { connectStdio } from "./connect-stdio.ts";
import type { Connection } from "./connection.ts";
import { createEraVerdicts, type Opening } from "./era-verdicts.ts";
import type { ServerRecord, StoredVerdict } from "../registration/server-record.ts";

/** An open connection, and what was found out about the server's era on the way. */
export type Connected = Connection & { readonly verdict: StoredVerdict };

export type Connect = (server: ServerRecord, options: ConnectOptions) => Promise<Connected>;

/** Opens conversations. Rejects with an `AppError` that has the failure's class; nothing is left running then. */
export function createConnect(deps: ConnectDeps): Connect {
  const verdicts = createEraVerdicts(deps.now);
  const open = async (server: ServerRecord, options: ConnectOptions, opening: Opening): Promise<Connected> => {
    const { launch } = server;
    const connection =
      launch.transport === "http"
        ? await connectHttp(deps, { server, launch, options, opening })
        : await connectStdio(deps, { server, launch, options, opening });
    return Object.assign(connection, { verdict: verdicts.found(server, opening, connection) });
  };
  return async (server, options) => {
    const opening = verdicts.opening(server);
    try {
      return await open(server, options, opening);
    } catch (error) {
      const hasExited = error instanceof AppError && error.code === "mcp_exited";
      if (!hasExited) verdicts.doubt(server);
      // Some servers of the 2025 era end on any first message but `initialize`; those get it first, in a new process.
      if (!hasExited || opening === "legacy" || options.signal.aborted) throw error;
      verdicts.suppose(server);
      return open(server, options, "legacy");
    }
  };
}
