import { connect } from "../connection.ts";
import { launch, prepareCluster, type Exit, type StartOptions } from "./start.ts";
import { forgetPostmaster } from "./orphan.ts";
import { SUPERUSER } from "./command.ts";
import { stopPostmaster } from "./stop.ts";

export type EmbeddedPostgres = {
  /** Of the platform's database as the given role; without a role, as the cluster's superuser. */
  url(role?: string, password?: string): string;
  readonly port: number;
  readonly pid: number;
  /** Where the database's files are; not always inside the data dir (see `placeCluster`). */
  readonly clusterDir: string;
  /** Creates an empty database of that name if there is none. */
  createDatabase(name: string): Promise<void>;
  /** Ends every connection, writes everything out, and resolves when no process is left. Safe to call twice. */
  stop(): Promise<void>;
  /** Resolves when the server is gone for good; `expected` says whether `stop` was the reason. */
  readonly exited: Promise<Exit & { expected: boolean }>;
};

const DATABASE = "auterity";

/** The embedded PostgreSQL of a data dir. The caller must hold the data dir's lock (`lockDataDir`). */
export async function startEmbeddedPostgres(options: StartOptions): Promise<EmbeddedPostgres> {
  const prepared = await prepareCluster(options);
  const running = await launch(options, prepared);
  let stopping: Promise<void> | undefined;
  const { place, port, pid, exited } = running;
  const stop = async (): Promise<void> => {
    await stopPostmaster({ pid, cluster: place.cluster, exited });
    await forgetPostmaster(place);
  };
  const url = (role = SUPERUSER, password = options.superuserPassword): string => address(port, DATABASE, { role, password });
  const maintenance = address(port, "postgres", { role: SUPERUSER, password: options.superuserPassword });
  const embedded: EmbeddedPostgres = {
    url,
    createDatabase: (name) => createDatabase(maintenance, name),
    port,
    pid,
    clusterDir: place.cluster,
    stop: () => (stopping ??= stop()),
    exited: exited.then((exit) => ({ ...exit, expected: stopping !== undefined })),
  };
  try {
    await embedded.createDatabase(DATABASE);
  } catch (error) {
    await embedded.stop();
    throw error;
  }
  return embedded;
}

function address(port: number, database: string, { role, password }: { role: string; password: string }): string {
  return `postgresql://${encodeURIComponent(role)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
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
