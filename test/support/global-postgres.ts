import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestProject } from "vitest/node";
import { openPostgres, startEmbeddedPostgres, withDatabase } from "#server/postgres/index.ts";
import { silentLog } from "#server/kernel/log.ts";
import { rolePassword, TEMPLATE } from "./postgres-names.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The superuser's address of the throw-away server. */
    postgresUrl: string;
  }
}

/**
 * One throw-away PostgreSQL per vitest project, without fsync, and in it a migrated database to copy from. Made anew at
 * every start, so that changed migrations are never missed. Teardown leaves neither process nor file.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), "auterity-test-"));
  await chmod(dataDir, 0o711);
  const homes = [dataDir];
  const cleanups: (() => Promise<void>)[] = [];
  const teardown = async (): Promise<void> => {
    for (const cleanup of cleanups.toReversed()) await cleanup();
    for (const home of homes) await rm(home, { recursive: true, force: true });
  };
  try {
    const postgres = await startEmbeddedPostgres({ dataDir, log: silentLog, superuserPassword: "test", durable: false });
    cleanups.push(postgres.stop);
    homes.push(dirname(postgres.clusterDir));
    await postgres.createDatabase(TEMPLATE);
    const opened = await openPostgres({ ownerUrl: withDatabase(postgres.url(), TEMPLATE), rolePassword, log: silentLog });
    await opened.close();
    project.provide("postgresUrl", postgres.url());
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}
