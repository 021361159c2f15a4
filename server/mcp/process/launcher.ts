import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Allowed } from "./caps.ts";
import { membersFile } from "./control-groups.ts";
import { residentLimitKib } from "./process-marks.ts";

type Command = { file: string; args: readonly string[] };
type Launching = { marker: string; allowed: Allowed; groups: readonly string[] };

/** What the shell calls itself when it cannot execute what it is given. */
export const LAUNCHER = "auterity-launch";
const SHELL = "/bin/sh";
const BLOCK_BYTES = 512;
const KIB = 1024;

/**
 * A command that first gives itself the tree's mark, its limits and its control groups, and then becomes the command: so
 * that no process of the tree is ever without them. A limit that this user may not set (because its own is lower) stays.
 */
export function launched(command: Command, { marker, allowed, groups }: Launching): Command {
  if (process.platform !== "linux") return command;
  const limits = {
    c: 0,
    n: allowed.openFiles,
    f: Math.ceil(allowed.fileBytes / BLOCK_BYTES),
    d: Math.ceil((allowed.memoryBytes + LIMITS.mcpReservedBytes) / KIB),
    m: residentLimitKib(marker),
  };
  const steps = [
    ...groups.map((group) => `echo $$ > ${quoted(membersFile(group))}`),
    ...Object.entries(limits).map(([limit, value]) => `ulimit -${limit} ${value}`),
  ];
  // The shell's own variables are not part of the environment that was registered.
  const script = `{ ${steps.join("; ")}; } 2>/dev/null; unset PWD OLDPWD SHLVL; exec "$@"`;
  return { file: SHELL, args: ["-c", script, LAUNCHER, command.file, ...command.args] };
}

/** As one word of the shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

const SAID = new RegExp(`^${LAUNCHER}: .*exec: (.*)$`, "m");

/** Why the shell could not become the command, if it could not. */
export function launchRefusal({ code }: { code: number | null }, stderr: string): AppError | undefined {
  const said = code === 126 || code === 127 ? SAID.exec(stderr)?.[1] : undefined;
  if (said === undefined) return undefined;
  return new AppError(code === 127 ? "mcp_command_not_found" : "mcp_command_not_executable", `The system cannot execute ${said}.`);
}
