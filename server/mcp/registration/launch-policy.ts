import { resolve } from "node:path";
import type { Issue } from "#contract/errors.ts";
import type { Launch } from "#contract/mcp/servers.ts";

/** What the operator of this platform lets servers run, of all that the rules would let anybody register. Undefined limits nothing. */
export type LaunchPolicy = {
  /** As a launch writes them: a name that is looked up on the PATH, or an absolute path. */
  commands?: readonly string[] | undefined;
  /** Absolute, without links, and each with all that is below it. */
  folders?: readonly string[] | undefined;
};

/** Why this platform does not run the launch. Paths begin with `launch`. An address is no business of this policy. */
export function policyIssues(launch: Launch, { commands, folders }: LaunchPolicy): Issue[] {
  if (launch.transport === "http") return [];
  const issues: Issue[] = [];
  if (commands !== undefined && !commands.includes(launch.command)) {
    const message = `${launch.command} is none of the commands that servers may run here: ${commands.join(", ") || "there are none"}`;
    issues.push({ path: "launch.command", message, code: "command_not_allowed" });
  }
  if (folders === undefined) return issues;
  for (const [path, place] of placesOf(launch)) {
    if (folders.some((folder) => isBelow(resolve(place), folder))) continue;
    const message = `${place} is in none of the folders that servers may use here: ${folders.join(", ") || "there are none"}`;
    issues.push({ path, message, code: "folder_not_allowed" });
  }
  return issues;
}

const isBelow = (place: string, folder: string): boolean => folder === "/" || place === folder || place.startsWith(`${folder}/`);

/** Every place in the file system that a launch names. */
function placesOf({ args, cwd, sandbox }: Extract<Launch, { transport: "stdio" }>): [path: string, place: string][] {
  const named = args.flatMap((arg, i): [string, string][] => {
    const [, place] = /^(?:-[^=]*=)?(\/.*)$/s.exec(arg) ?? [];
    return place === undefined ? [] : [[`launch.args[${i}]`, place]];
  });
  return [
    ...named,
    ...(cwd === undefined ? [] : [["launch.cwd", cwd] as [string, string]]),
    ...(sandbox?.read ?? []).map((place, i): [string, string] => [`launch.sandbox.read[${i}]`, place]),
    ...(sandbox?.write ?? []).map((place, i): [string, string] => [`launch.sandbox.write[${i}]`, place]),
  ];
}
