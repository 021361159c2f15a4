import { readFileSync, readdirSync } from "node:fs";

export type ProcessInfo = { pid: number; command: string; isAlive(): boolean };

/** Every process below `pid`, however deep, as the kernel sees it now. */
export function descendants(pid: number): ProcessInfo[] {
  const children = Map.groupBy(allProcesses(), ({ parent }) => parent);
  const found: ProcessInfo[] = [];
  const todo = [pid];
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    for (const child of children.get(at) ?? []) {
      found.push({ pid: child.pid, command: child.command, isAlive: () => startTime(child.pid) === child.started });
      todo.push(child.pid);
    }
  }
  return found;
}

function allProcesses(): { pid: number; parent: number; started: string | undefined; command: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const fields = statOf(Number(name));
      return fields ? [{ pid: Number(name), parent: Number(fields[1]), started: fields[19], command: fields.command }] : [];
    });
}

/** Tells a process from a later one with the same pid. A zombie counts as gone. */
function startTime(pid: number): string | undefined {
  const fields = statOf(pid);
  return fields?.[0] === "Z" ? undefined : fields?.[19];
}

/** The fields of `/proc/<pid>/stat` from the state on; the command may itself hold spaces and brackets. */
function statOf(pid: number): (string[] & { command: string }) | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const end = text.lastIndexOf(")");
    return Object.assign(text.slice(end + 2).split(" "), { command: text.slice(text.indexOf("(") + 1, end) });
  } catch {
    return undefined;
  }
}
