import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { silentLog } from "#server/kernel/log.ts";
import { startEmbeddedPostgres, withDatabase } from "#server/postgres/index.ts";

export type ThrowAwayPostgres = {
  /** The superuser's address of a new, empty database. */
  createDatabase(name: string): Promise<string>;
  stop(): Promise<void>;
};

/** A PostgreSQL with fsync on and the platform's own settings, for everything that is compared in one run. */
export async function throwAwayPostgres(): Promise<ThrowAwayPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), "auterity-bench-"));
  await chmod(dataDir, 0o711);
  const postgres = await startEmbeddedPostgres({ dataDir, log: silentLog, superuserPassword: "bench" });
  return {
    createDatabase: async (name) => {
      await postgres.createDatabase(name);
      return withDatabase(postgres.url(), name);
    },
    stop: async () => {
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
      await rm(dirname(postgres.clusterDir), { recursive: true, force: true });
    },
  };
}
