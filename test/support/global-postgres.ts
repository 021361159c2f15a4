import { chmod, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestProject } from "vitest/node";
import { silentLog } from "#server/kernel/log.ts";
import { placeCluster } from "#server/postgres/embedded/cluster-place.ts";
import { endOrphan } from "#server/postgres/embedded/orphan.ts";
import { lockDataDir, openPostgres, startEmbeddedPostgres, withDatabase } from "#server/postgres/index.ts";
import { rolePassword, TEMPLATE } from "./postgres-names.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The superuser's address of the throw-away server. */
    postgresUrl: string;
  }
}

const PREFIX = "auterity-test-";
/** Time that a data dir has between being made and being locked. */
const GRACE_MS = 60_000;

/**
 * One throw-away PostgreSQL per vitest project, without fsync, and in it a migrated database to copy from. Made anew at
 * every start, so that changed migrations are never missed. Teardown leaves neither process nor file; what a killed test
 * run left is cleared by the next.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep();
  const dataDir = await mkdtemp(join(tmpdir(), PREFIX));
  await chmod(dataDir, 0o711);
  const homes = [dataDir];
  const cleanups: (() => Promise<void>)[] = [];
  const teardown = async (): Promise<void> => {
    for (const cleanup of cleanups.toReversed()) await cleanup();
    for (const home of homes) await rm(home, { recursive: true, force: true });
  };
  try {
    const lock = await lockDataDir(dataDir);
    cleanups.push(lock.release);
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

async function sweep(): Promise<void> {
  const entries = await readdir(tmpdir());
  for (const entry of entries.filter((name) => name.startsWith(PREFIX))) await removeAbandoned(join(tmpdir(), entry)).catch(() => {});
}

/** Rejects when the test run still lives, or belongs to somebody else. */
async function removeAbandoned(dataDir: string): Promise<void> {
  if (Date.now() - (await stat(dataDir)).birthtimeMs < GRACE_MS) return;
  await lockDataDir(dataDir);
  const place = await placeCluster({ dataDir, log: silentLog });
  await endOrphan(place, silentLog);
  await rm(place.home, { recursive: true, force: true });
  await rm(dataDir, { recursive: true, force: true });
}
