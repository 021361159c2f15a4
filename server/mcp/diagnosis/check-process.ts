import { stat } from "node:fs/promises";
import { ConnectionFailure } from "../connection/connection-failure.ts";
import { findBubblewrap, placeMissing } from "../process/sandbox.ts";
import { serverFolders } from "../process/server-folders.ts";
import { findExecutable } from "../registration/executable.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { failing } from "./failing.ts";
import type { Found } from "./finding.ts";
import { missingPlaces } from "./missing-places.ts";

/** Where the platform keeps what servers need, and where it looks for commands. */
export type Where = { dataDir: string; path: string };

type Check = (where: Where, server: ServerRecord) => Promise<Found[]>;

/** What a process needs of this machine, and does not have. */
export const checkProcess: Check = async (where, server) =>
  (await Promise.all([folder, command, sandbox].map((check) => check(where, server)))).flat();

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

const folder: Check = async (_where, { launch }) => {
  if (launch.transport === "http" || launch.cwd === undefined || (await isFolder(launch.cwd))) return [];
  const error = new ConnectionFailure("mcp_command_not_found", `The folder ${launch.cwd} does not exist.`, {
    likelyCause: "The folder was moved, or is on another machine.",
    remedy: "Correct the server's cwd, or make the folder.",
  });
  return [{ path: "launch.cwd", error, expected: "a folder", got: launch.cwd }];
};

const command: Check = async ({ dataDir, path }, { id, launch }) => {
  if (launch.transport === "http") return [];
  // A command without a path of its own is found whatever the folder is.
  const own = launch.cwd ?? (await serverFolders(dataDir, id)).work;
  const cwd = (await isFolder(own)) ? own : dataDir;
  const error = await failing(findExecutable({ command: launch.command, cwd, path }));
  return error === undefined ? [] : [{ path: "launch.command", error, expected: "a program", got: launch.command }];
};

/** Whether the system lets a sandbox be made is found only by making one. */
const sandbox: Check = async ({ path }, { launch }) => {
  if (launch.transport === "http" || launch.sandbox === undefined) return [];
  const { read, write } = launch.sandbox;
  const named = { read, write };
  const places = Object.entries(named).flatMap(([way, all]) => all.map((place, i) => ({ path: `launch.sandbox.${way}.${i}`, place })));
  const missing = await missingPlaces(places, placeMissing);
  const error = await failing(findBubblewrap(path));
  return error === undefined ? missing : [{ path: "launch.sandbox", error, expected: "bwrap", got: "nothing" }, ...missing];
};
