import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "#server/kernel/errors.ts";

/** What belongs to one server alone; its size is capped. */
export type ServerFolders = {
  home: string;
  work: string;
  tmp: string;
  /** Shared memory in a sandbox: apart from the others, as what the server can reach by a path it can put a link in the place of. */
  shm: string;
};

/** What holds them. */
export const serverFolder = (dataDir: string, serverId: string): string => join(dataDir, "mcp", serverId);

/**
 * Where a server runs when its launch names no folder, where it may put temporary files, and what is home to it in a
 * sandbox. Only this user can enter. Rejects with `unavailable` where they cannot be made.
 */
export async function serverFolders(dataDir: string, serverId: string): Promise<ServerFolders> {
  const own = (name: string): string => join(serverFolder(dataDir, serverId), name);
  const folders = { home: own("home"), work: own("work"), tmp: own("tmp"), shm: own("shm") };
  for (const folder of Object.values(folders)) await make(folder);
  return folders;
}

async function make(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new AppError("unavailable", `The server's folder cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      retryable: true,
      remedy: "Let the platform's user write to the data dir, and see that its disk has room.",
    });
  }
}
