import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";

const PEERS_DIR = fileURLToPath(new URL("../peers/", import.meta.url));
const run = promisify(execFile);

export const PEERS = ["dbos", "mastra", "langgraph"] as const;
export type Peer = (typeof PEERS)[number];

const Answer = z.object({ stepsPerSecond: z.number(), msPerStep: z.number() });

/** Installs the peers' own package once, unless the named peer is there already. */
export async function installPeers(peer = "@mastra"): Promise<void> {
  if (existsSync(join(PEERS_DIR, "node_modules", peer))) return;
  console.error("Installing the systems to compare with …");
  await run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: PEERS_DIR });
}

/** Runs a peer in a process of its own: `runs` workflows of `steps` steps at once. */
export async function measurePeer(
  peer: Peer,
  url: string,
  { runs, steps }: { runs: number; steps: number },
): Promise<z.infer<typeof Answer>> {
  const args = [
    "--disable-warning=ExperimentalWarning",
    "--disable-warning=DeprecationWarning",
    `${peer}.ts`,
    url,
    String(runs),
    String(steps),
  ];
  const { stdout } = await run(process.execPath, args, { cwd: PEERS_DIR, timeout: 300_000 });
  return Answer.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
}
