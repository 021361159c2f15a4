import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import { createClient } from "#sdk/client.ts";
import { readConfig, startPlatform } from "#server/main.ts";
import { countingChain } from "./workflows.ts";

const LOAD = fileURLToPath(new URL("start-load.ts", import.meta.url));
const CONNECTIONS = 100;
const SECONDS = 4;
const run = promisify(execFile);
const Answer = z.object({ startsPerSecond: z.number() });

/**
 * Run starts per second over HTTP, while the runs execute: the whole platform in this process, a client on the same machine in
 * another. Every start is authenticated, validated, idempotent, audited and on disk before it is answered, and every run goes
 * through its ten steps at the same time.
 */
export async function measureStarts(url: string): Promise<number> {
  const dataDir = await mkdtemp(join(tmpdir(), "auterity-bench-starts-"));
  const env = { AUTERITY_DATA_DIR: dataDir, AUTERITY_PORT: "0", AUTERITY_LOG_LEVEL: "error", DATABASE_URL: url };
  const platform = await startPlatform(readConfig(env));
  try {
    const { url: address, token = "" } = platform;
    const client = createClient({ url: address, token });
    const definition = countingChain({ steps: 10, expression: "plain", classification: "normal" });
    const { id } = await client.createWorkflow({ body: { name: definition.name, definition } });
    const args = ["--disable-warning=ExperimentalWarning", LOAD, address, token, id, String(CONNECTIONS), String(SECONDS)];
    const { stdout } = await run(process.execPath, args);
    return Answer.parse(JSON.parse(stdout)).startsPerSecond;
  } finally {
    await platform.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}
