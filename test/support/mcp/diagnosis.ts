/** A platform whose MCP slice reaches its targets through the real egress guard, for tests of failures. */
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEgress } from "#server/egress/index.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { McpDeps } from "#server/mcp/index.ts";
import type { TestDatabase } from "../postgres.ts";
import { mcpPlatform, type McpPlatform } from "./platform.ts";

export type DiagnosisPlatform = McpPlatform & {
  /** Processes that this platform has started and that live. */
  left(): Promise<number[]>;
};

export async function diagnosisPlatform(
  db: TestDatabase,
  change: Partial<McpDeps> & { secretValues?: Record<string, string> } = {},
): Promise<DiagnosisPlatform> {
  const guard = createEgress({ database: db.database, audit: { record: async () => {} }, log: silentLog, now: () => new Date() });
  const dataDir = await mkdtemp(join(tmpdir(), "auterity-diagnosis-"));
  const platform = await mcpPlatform(db, { egress: guard.egress, dataDir, ...change });
  return {
    ...platform,
    left: () => processesBelow(dataDir),
    close: async () => {
      await platform.close();
      await guard.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Every child is told of a folder below the platform's own. */
async function processesBelow(dataDir: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const isOurs = async (pid: string): Promise<boolean> =>
    (await readFile(join("/proc", pid, "environ"), "latin1").catch(() => "")).includes(`TMPDIR=${dataDir}`);
  const ours = await Promise.all(pids.map(async (pid) => ((await isOurs(pid)) ? [Number(pid)] : [])));
  return ours.flat();
}
