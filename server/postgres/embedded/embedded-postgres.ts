import { AppError } from "../../kernel/errors.ts";
import { connect } from "../connection.ts";
import { SUPERUSER } from "./command.ts";
import { forgetPostmaster } from "./orphan.ts";
import { launch, prepareCluster, type StartOptions } from "./start.ts";
import { supervise, type Ended } from "./supervise.ts";

export type EmbeddedPostgres = {
  /** Of the platform's database as the given role; without a role, as the cluster's superuser. Stays valid over restarts. */
  url(role?: string, password?: string): string;
  readonly port: number;
  /** Of the present postmaster; changes when it had to be restarted. */
  readonly pid: number;
  /** Where the database's files are; not always inside the data dir (see `placeCluster`). */
  readonly clusterDir: string;
  /** Creates an empty database of that name if there is none. */
  createDatabase(name: string): Promise<void>;
  /** Ends every connection, writes everything out, and resolves when no process is left. Safe to call twice. */
  stop(): Promise<void>;
  /** Resolves when the server is gone for good: stopped, or dead too often. Single crashes are repaired before that. */
  readonly exited: Promise<Ended>;
};

const DATABASE = "auterity";

/**
 * Starts the embedded PostgreSQL of a data dir as a supervised child. The caller must hold the data dir's lock
 * (`lockDataDir`), stop everything that uses the database first, and this last.
 */
export async function startEmbeddedPostgres(options: StartOptions): Promise<EmbeddedPostgres> {
  const prepared = await prepareCluster(options);
  const first = await launch(options, prepared);
  const { port } = first;
  const server = supervise(first, { log: options.log, relaunch: () => launch({ ...options, signal: undefined }, prepared, port) });
  const login = (database: string, role: string, password: string): string =>
    `postgresql://${encodeURIComponent(role)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  const embedded: EmbeddedPostgres = {
    url: (role = SUPERUSER, password = options.superuserPassword) => login(DATABASE, role, password),
    port,
    get pid() {
      return server.pid();
    },
    clusterDir: prepared.place.cluster,
    createDatabase: (name) => createDatabase(login("postgres", SUPERUSER, options.superuserPassword), name),
    stop: async () => {
      await server.stop();
      await forgetPostmaster(prepared.place);
    },
    exited: server.ended,
  };
  try {
    await embedded.createDatabase(DATABASE);
    return embedded;
  } catch (error) {
    await embedded.stop();
    throw explainRefusedLogin(error, prepared.place.cluster);
  }
}

/** Our own server refusing our own password has one cause worth naming. */
function explainRefusedLogin(error: unknown, cluster: string): unknown {
  if (!(error instanceof AppError) || !(error.cause instanceof Error) || !("code" in error.cause)) return error;
  if (error.cause.code !== "28P01") return error;
  return new AppError("config_invalid", `The database at ${cluster} was made with another key.`, {
    cause: error,
    remedy: "Restore the key file of this data dir (or AUTERITY_ENCRYPTION_KEY), or choose an empty data dir and restore a backup.",
  });
}

async function createDatabase(url: string, name: string): Promise<void> {
  const client = await connect(url);
  try {
    const { rowCount } = await client.query("select from pg_database where datname = $1", [name]);
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
