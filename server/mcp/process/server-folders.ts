import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export const workFolder = (dataDir: string, serverId: string): string => join(dataDir, "mcp", serverId, "work");

/** Where a server runs when its launch names no folder, and where it may put temporary files. Only this user can enter. */
export async function serverFolders(dataDir: string, serverId: string): Promise<{ home: string; work: string; tmp: string }> {
  const work = workFolder(dataDir, serverId);
  const tmp = join(dataDir, "mcp", serverId, "tmp");
  for (const folder of [work, tmp]) await mkdir(folder, { recursive: true, mode: 0o700 });
  // The user's own: package runners keep their downloads there, and an unconfined process could reach it anyway.
  return { home: homedir(), work, tmp };
}
