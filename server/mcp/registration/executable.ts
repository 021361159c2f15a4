import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, constants, realpath, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { AppError } from "#server/kernel/errors.ts";
import { ConnectionFailure } from "../connection/connection-failure.ts";

type Search = { command: string; cwd: string; path: string };

/** Where a command leads, as the child itself would find it. Throws `mcp_command_not_found` or `mcp_command_not_executable`. */
export async function findExecutable({ command, cwd, path }: Search): Promise<string> {
  if (!(await isFolder(cwd)))
    throw new AppError("mcp_command_not_found", `The folder ${cwd} does not exist.`, {
      remedy: "Correct the server's cwd, or make the folder.",
    });
  const candidates = /[/\\]/.test(command) ? [resolve(cwd, command)] : searchPath(command, path);
  for (const candidate of candidates) if (await isExecutable(candidate)) return candidate;
  for (const candidate of candidates) {
    const found = await stat(candidate).catch(() => undefined);
    if (found === undefined) continue;
    throw new ConnectionFailure("mcp_command_not_executable", `${candidate} ${found.isFile() ? "is not executable" : "is not a file"}.`);
  }
  const where = candidates.length > 1 ? ` in ${path}` : "";
  throw new AppError("mcp_command_not_found", `The command ${command} was not found${where}.`);
}

/** Whether a command leads anywhere at this moment. */
export const installedIn =
  (place: Omit<Search, "command">) =>
  (command: string): Promise<boolean> =>
    findExecutable({ ...place, command }).then(
      () => true,
      () => false,
    );

const searchPath = (command: string, path: string): string[] =>
  path
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, command));

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** SHA-256 of a file, remembered until the file's identity or its change time differs. Interpreters are large and start often. */
export function fileHasher(): (file: string) => Promise<string> {
  const known = new Map<string, { identity: string; hash: string }>();
  return async (file) => {
    const real = await realpath(file);
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(real, { bigint: true });
    const identity = [dev, ino, size, mtimeNs, ctimeNs].join(":");
    const remembered = known.get(real);
    if (remembered?.identity === identity) return remembered.hash;
    const hash = createHash("sha256");
    await pipeline(createReadStream(real), hash);
    const entry = { identity, hash: hash.digest("hex") };
    known.set(real, entry);
    return entry.hash;
  };
}
