import { mkdir, readFile, readdir, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Allowed } from "./caps.ts";

/**
 * Control groups: where this user may make one below the platform's own, a tree lives in it, which no process leaves by
 * itself. The unified hierarchy is used, and of the older ones the one that counts processes. Limits are set where the
 * group has them; a group without them still knows its members.
 */
const PREFIX = "auterity-";
/** An empty group of this age belongs to nobody who is about to fill it. */
const LEFT_AFTER_MS = 60_000;
/** The system counts threads; those of a process are not what the cap is about. */
const TASKS_PER_PROCESS = 16;

/** The folders of new groups for this tree; none where they cannot be made. They begin empty. */
export async function openGroups(parents: readonly string[], id: string, allowed: Allowed): Promise<string[]> {
  const opened = parents.map(async (parent) => {
    const folder = groupFolder(parent, id);
    try {
      await mkdir(folder, { mode: 0o700 });
    } catch {
      return [];
    }
    const limits = {
      "pids.max": allowed.processes * TASKS_PER_PROCESS,
      "memory.max": allowed.memoryBytes,
      "memory.swap.max": 0,
      "memory.oom.group": 1,
    };
    for (const [name, value] of Object.entries(limits)) await writeExisting(join(folder, name), String(value));
    await writeExisting(join(folder, "cpu.max"), `${allowed.cpuPercent * 1_000} 100000`);
    return [folder];
  });
  return (await Promise.all(opened)).flat();
}

/** Where the groups of a tree are, if it has any. */
export const groupsOf = (parents: readonly string[], id: string): string[] => parents.map((parent) => groupFolder(parent, id));

const groupFolder = (parent: string, id: string): string => join(parent, `${PREFIX}${id}`);

/** Removes groups whose processes have ended. */
export async function closeGroups(groups: readonly string[]): Promise<void> {
  for (const folder of groups) await removeGroup(folder);
}

/** The system lets go of a group a moment after its last process. */
async function removeGroup(folder: string): Promise<void> {
  for (let tries = 0; tries < 10; tries += 1) {
    const isLeft = await rmdir(folder).then(
      () => false,
      (error: unknown) => error instanceof Error && "code" in error && error.code === "EBUSY",
    );
    if (!isLeft) return;
    await sleep(20);
  }
}

/** Removes what earlier starts have left; the system refuses while there are processes in it. */
export async function removeLeftGroups(parents: readonly string[]): Promise<void> {
  for (const parent of parents) {
    const names = await readdir(parent).catch(() => []);
    for (const name of names.filter((found) => found.startsWith(PREFIX))) {
      const folder = join(parent, name);
      const isOld = await stat(folder).then(
        ({ ctimeMs }) => Date.now() - ctimeMs > LEFT_AFTER_MS,
        () => false,
      );
      if (isOld) await rmdir(folder).catch(() => {});
    }
  }
}

export async function groupMembers(groups: readonly string[]): Promise<Set<number>> {
  const lists = await Promise.all(groups.map((folder) => readFile(membersFile(folder), "utf8").catch(() => "")));
  return new Set(lists.flatMap((list) => list.split("\n")).flatMap((line) => (line === "" ? [] : [Number(line)])));
}

export const membersFile = (group: string): string => join(group, "cgroup.procs");

/** Ends all members at one stroke where the system can. */
export async function killGroups(groups: readonly string[]): Promise<void> {
  for (const folder of groups) await writeExisting(join(folder, "cgroup.kill"), "1");
}

const writeExisting = (file: string, text: string): Promise<void> => writeFile(file, text, { flag: "r+" }).catch(() => {});

/** The platform's own groups, below which those of servers are made. */
export async function ownGroups(): Promise<string[]> {
  const [own, mounts] = await Promise.all([
    readFile("/proc/self/cgroup", "utf8").catch(() => ""),
    readFile("/proc/self/mountinfo", "utf8").catch(() => ""),
  ]);
  return own.split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined || (controllers !== "" && controllers !== "pids")) return [];
    const mount = mounts.split("\n").find((candidate) => isMountOf(candidate, controllers));
    const [, , , root, point] = mount?.split(" ") ?? [];
    if (root === undefined || point === undefined) return [];
    const isBelow = root === "/" || path === root || path.startsWith(`${root}/`);
    return isBelow ? [join(point, root === "/" ? path : path.slice(root.length))] : [];
  });
}

function isMountOf(line: string, controllers: string): boolean {
  const [, type, , options = ""] = line.slice(line.indexOf(" - ") + 1).split(" ");
  return controllers === "" ? type === "cgroup2" : type === "cgroup" && options.split(",").includes(controllers);
}
