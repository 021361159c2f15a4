import { setTimeout as sleep } from "node:timers/promises";
import type { Caps, Sandbox } from "#contract/mcp/confinement.ts";
import type { AppError } from "#server/kernel/errors.ts";
import { allowedFor } from "./caps.ts";
import { closeGroups, openGroups, ownGroups, removeLeftGroups } from "./control-groups.ts";
import { execute, type Executed, type Exit, type ServerChild } from "./execute.ts";
import { launched } from "./launcher.ts";
import { startTimeOf } from "./process-table.ts";
import { census, cutTree, endTree, type TreeRoot } from "./process-tree.ts";
import type { HostProxy } from "./host-proxy.ts";
import type { Confine } from "./sandbox.ts";
import type { ServerFolders } from "./server-folders.ts";
import type { TreeWatch } from "./tree-watch.ts";
import type { Timings } from "../supervision/timings.ts";

export type ServerProcess = {
  readonly child: ServerChild;
  readonly pid: number;
  readonly startTime: string | null;
  /** Settles when the first process ends; others of its tree may live on until `stop`. */
  readonly exited: Promise<Exit>;
  /** Why its tree was ended, if it used more than it may. */
  readonly overLimit: () => AppError | undefined;
  /** Closes stdin, waits, then ends the whole tree. Resolves with how many processes could not be ended. A second call joins the first. */
  stop(): Promise<number>;
};

export type ProcessSpec = {
  id: string;
  /** The resolved executable. */
  file: string;
  args: readonly string[];
  /** All of the environment: nothing is inherited. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** The server's own. */
  folders: ServerFolders;
  /** Unique for this process; inherited by all it starts. */
  marker: string;
  caps: Caps | undefined;
  sandbox: Sandbox | undefined;
  /** Of a sandbox with a list of hosts: what it gets out through. Ends with the process. */
  proxy: HostProxy | undefined;
};

/**
 * Starts a server in a process group of its own, within its caps and its sandbox. Rejects with `mcp_command_not_found` when
 * the system cannot execute it, `mcp_sandbox_unavailable` when it would have to run without the sandbox that it asks for.
 */
export type SpawnServer = (spec: ProcessSpec) => Promise<ServerProcess>;

type Deps = {
  timings: Pick<Timings, "stopEofMs" | "stopTermMs" | "stopKillMs">;
  watch: TreeWatch;
  confine: Confine;
  /** Below which control groups are made; by default the platform's own. */
  findParents?: () => Promise<string[]>;
};

export function createSpawn({ timings, watch, confine, findParents = findOwnGroups }: Deps): SpawnServer {
  let parents: Promise<string[]> | undefined;
  return async (spec) => {
    const { id, marker, sandbox, folders, proxy } = spec;
    const allowed = allowedFor(spec.caps);
    const command = sandbox ? await confine({ ...spec, sandbox }) : spec;
    parents ??= findParents();
    const groups = await openGroups(await parents, id, allowed);
    const { child, exited } = await execute(launched(command, { marker, allowed, groups }), { ...spec, onSocket: proxy?.serve }).catch(
      async (error: unknown) => {
        await closeGroups(groups);
        throw error;
      },
    );
    // A write to a process that has just ended is reported by its exit; unheard, it would end the platform.
    child.stdin.on("error", () => {});
    child.on("error", () => {});
    void exited.then(() => proxy?.close());
    const pid = child.pid ?? 0;
    const startTime = await startTimeOf(pid);
    const root: TreeRoot = { pid, startTime, marker, groups, isSandbox: sandbox !== undefined, seen: new Map() };
    let over: AppError | undefined;
    let stopping: Promise<number> | undefined;
    const onOver = (why: AppError): void => {
      over = why;
      void cutTree(root, timings.stopKillMs).catch(() => {});
    };
    const unwatch = watch.add(id, { root, allowed, folders: Object.values(folders), onOver });
    const stop = async (): Promise<number> => {
      const left = await stopProcess({ child, exited, root, timings });
      unwatch();
      await closeGroups(groups);
      return left;
    };
    return { child, pid, startTime, exited, overLimit: () => over, stop: () => (stopping ??= stop()) };
  };
}

async function findOwnGroups(): Promise<string[]> {
  const parents = await ownGroups();
  await removeLeftGroups(parents);
  return parents;
}

type Stopping = Executed & { root: TreeRoot; timings: Deps["timings"] };

async function stopProcess({ child, exited, root, timings }: Stopping): Promise<number> {
  child.stdin.end();
  const grace = new AbortController();
  await Promise.race([exited, sleep(timings.stopEofMs, undefined, { signal: grace.signal, ref: false }).catch(() => {})]);
  grace.abort();
  const left = (await census(root)).length === 0 ? [] : await endTree(root, { termMs: timings.stopTermMs, killMs: timings.stopKillMs });
  // A survivor could hold the pipes open and with them the platform's event loop.
  child.stdin.destroy();
  child.stdout.destroy();
  child.stderr.destroy();
  return left.length;
}
