import { execFile } from "node:child_process";
import { realpath, stat } from "node:fs/promises";
import { promisify } from "node:util";
import type { Sandbox } from "#contract/mcp/confinement.ts";
import { AppError } from "#server/kernel/errors.ts";
import { findExecutable } from "../registration/executable.ts";
import { handingOver } from "./handing-over.ts";
import type { ServerFolders } from "./server-folders.ts";

type Command = { file: string; args: readonly string[] };

export type Confined = Command & {
  sandbox: Sandbox;
  cwd: string;
  folders: ServerFolders;
};

/** Puts a command into a sandbox. Rejects with `mcp_sandbox_unavailable`; nothing ever runs without the sandbox that it asks for. */
export type Confine = (confined: Confined) => Promise<Command>;

/** What programs need of the system, as far as it is there. */
const SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
const SETTINGS = [
  ..."alternatives ca-certificates crypto-policies group host.conf hosts ld.so.cache ld.so.conf ld.so.conf.d localtime".split(" "),
  ..."mime.types nsswitch.conf passwd pki protocols services ssl timezone".split(" "),
].map((name) => `/etc/${name}`);

/** Namespaces of its own, ended with the platform, without capabilities and without a terminal. */
const ISOLATION = [
  ..."--unshare-user --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try --unshare-net".split(" "),
  ..."--die-with-parent --new-session --cap-drop ALL".split(" "),
];

const DEVICES = "--proc /proc --dev /dev".split(" ");

const bind = (how: string, from: string, to: string = from): string[] => [how, from, to];

type Deps = {
  /** Of the platform: hidden, whatever else is visible. */
  dataDir: string;
  /** Where bubblewrap is looked for. */
  path: string;
};

/**
 * The sandbox is bubblewrap's: a file system of its own into which only what is named is mounted, all of it read-only but
 * the server's folders and what may be written; a process namespace, which ends with its first process; no network
 * but a loopback of its own, unless the launch says otherwise. With a list of hosts, a socket of that loopback is handed over to
 * the platform.
 */
export function createConfine({ dataDir, path }: Deps): Confine {
  let working: Promise<string> | undefined;
  const find = (): Promise<string> => {
    working ??= findWorking(path).catch((error: unknown) => {
      // It may be installed or allowed later.
      working = undefined;
      throw error;
    });
    return working;
  };
  return async ({ file, args, sandbox, cwd, folders }) => {
    const bwrap = await find();
    await assertThere([...sandbox.read, ...sandbox.write, cwd]);
    await assertInside(sandbox);
    const visible = [
      ...[file, await realpath(file), process.execPath, cwd, ...sandbox.read].map((place) => ({ place, how: "--ro-bind" })),
      ...sandbox.write.map((place) => ({ place, how: "--bind" })),
    ];
    const isOnline = sandbox.network === "all";
    const command = typeof sandbox.network === "string" ? { file, args } : handingOver({ file, args });
    const options = [
      ...ISOLATION.filter((option) => !(isOnline && option === "--unshare-net")),
      ...[...SYSTEM, ...SETTINGS, ...(isOnline ? ["/etc/resolv.conf"] : [])].flatMap((place) => bind("--ro-bind-try", place)),
      ...DEVICES,
      ...bind("--bind", folders.shm, "/dev/shm"),
      ..."--remount-ro /dev".split(" "),
      ...bind("--bind", folders.tmp, "/tmp"),
      // The narrower of two places decides, so it is mounted later; of the same place, writing.
      ...visible.toSorted((a, b) => a.place.length - b.place.length).flatMap(({ place, how }) => bind(how, place)),
    ];
    const own = ["--tmpfs", dataDir, ...bind("--bind", folders.home), ...bind("--bind", folders.work)];
    const closing = ["--remount-ro", dataDir, "--remount-ro", "/", "--chdir", cwd];
    return { file: bwrap, args: [...options, ...own, ...closing, "--", command.file, ...command.args] };
  };
}

/** Rejects with `mcp_sandbox_unavailable` where it is not installed. Starts nothing. */
export const findBubblewrap = (path: string): Promise<string> =>
  findExecutable({ command: "bwrap", cwd: "/", path }).catch((cause: unknown) => {
    throw new AppError("mcp_sandbox_unavailable", `A sandbox needs bubblewrap, and there is no bwrap in ${path}.`, { cause });
  });

async function findWorking(path: string): Promise<string> {
  const bwrap = await findBubblewrap(path);
  try {
    await promisify(execFile)(bwrap, [...ISOLATION, "--ro-bind", "/", "/", "--", "/bin/true"], { timeout: TRIAL_MS, env: {} });
    return bwrap;
  } catch (cause) {
    const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim().slice(0, 300) : String(cause);
    throw new AppError("mcp_sandbox_unavailable", `This system does not let ${bwrap} make a sandbox: ${said}`, { cause });
  }
}

const TRIAL_MS = 10_000;

async function assertThere(places: readonly string[]): Promise<void> {
  for (const place of places) {
    await stat(place).catch((cause: unknown) => {
      throw placeMissing(place, cause);
    });
  }
}

/**
 * A server can put links where it writes, and the mounts of its next process would follow them: what is named below such a folder must
 * still lie there.
 */
async function assertInside({ read, write }: Sandbox): Promise<void> {
  for (const folder of write) {
    const below = [...read, ...write].filter((place) => place.startsWith(`${folder}/`));
    if (below.length === 0) continue;
    const real = await realpath(folder);
    for (const place of below) {
      if (`${await realpath(place)}/`.startsWith(`${real}/`)) continue;
      throw new AppError(
        "mcp_sandbox_unavailable",
        `The sandbox cannot be made: ${place} leads out of ${folder}, where the server can write.`,
        {
          remedy: "Look at what the server has put there, and take the link away.",
        },
      );
    }
  }
}

/** What a sandbox is to show must be there. */
export const placeMissing = (place: string, cause?: unknown): AppError =>
  new AppError("mcp_sandbox_unavailable", `The sandbox cannot be made: ${place} does not exist.`, {
    cause,
    remedy: "Correct the paths of the launch's sandbox, or make the folder.",
  });
