import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { LIMITS } from "#contract/limits.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import type { LaunchWarning } from "#contract/mcp/warnings.ts";
import { UNPINNED, isScriptPinned } from "./launch.ts";
import { commandName } from "./runners.ts";

type StdioLaunch = Extract<Launch, { transport: "stdio" }>;

type Interpreter = {
  name: RegExp;
  /** Options whose value is the next argument. */
  valued: RegExp;
  /** Options after which no file is run. */
  other: RegExp;
  /** A first word that only says that something is to be run. */
  verb?: RegExp;
};

const NEVER = /^$/;
const INTERPRETERS: readonly Interpreter[] = [
  {
    name: /^(node|nodejs|tsx)$/,
    valued: /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file(-if-exists)?|--title|--input-type)$/,
    other: /^(-e|-p|-pe|-i|--eval|--print|--interactive|--test|--run)(=|$)/,
  },
  { name: /^(python|pypy)[\d.]*$/, valued: /^-[WX]$/, other: /^-[bBdEhiIOPqRsSuvVx?]*[cm]/ },
  {
    name: /^deno$/,
    valued: /^(-c|--config|--import-map|--lock|--cert|--location|--seed|-L|--log-level)$/,
    other: NEVER,
    verb: /^(run|serve)$/,
  },
  {
    name: /^bun$/,
    valued: /^(-r|--preload|--import|-c|--config|--cwd|--env-file)$/,
    other: /^(-e|--eval|-p|--print)(=|$)|^x$/,
    verb: /^run$/,
  },
  { name: /^(sh|bash|dash|zsh|ksh|ash)$/, valued: /^([-+][oO]|--rcfile|--init-file)$/, other: /^-[a-z]*[cs]/ },
  { name: /^(ruby|perl)[\d.]*$/, valued: /^-[IrCE]$/, other: /^-[a-z]*[eE]/ },
  { name: /^php[\d.]*$/, valued: /^-[dczSt]$/, other: /^-[rRBEa]/ },
];

/** The file that an interpreter is told to run, as the launch names it. Undefined when it is none of those, or runs something else. */
export function scriptArgument({ command, args }: Pick<StdioLaunch, "command" | "args">): string | undefined {
  const known = INTERPRETERS.find(({ name }) => name.test(commandName(command)));
  if (known === undefined) return undefined;
  for (let i = known.verb?.test(args[0] ?? "") ? 1 : 0; i < args.length; i += 1) {
    const arg = args[i] ?? "";
    if (arg === "--" || (arg === "-f" && known.name.test("php"))) return args[i + 1];
    if (arg === "-" || known.other.test(arg)) return undefined;
    if (!/^[-+]/.test(arg)) return isElsewhere(arg) ? undefined : arg;
    if (known.valued.test(arg)) i += 1;
  }
  return undefined;
}

/** `https:`, `npm:` and the like: what the launch's warnings are about. */
const isElsewhere = (arg: string): boolean => /^(?!file:)[a-z][a-z0-9+.-]+:/i.test(arg);

/** What of its script is part of a launch's hash: its SHA-256, or that it cannot be pinned. Undefined when the launch has none. */
export async function scriptHash(
  launch: StdioLaunch,
  { cwd, hashFile }: { cwd: string; hashFile: (file: string) => Promise<string> },
): Promise<string | undefined> {
  const script = scriptArgument(launch);
  if (script === undefined) return undefined;
  const file = resolve(cwd, script);
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile() || found.size > LIMITS.mcpScriptBytes) return UNPINNED;
  return hashFile(file).catch(() => UNPINNED);
}

/** What whoever approves should know of the script, as of the hash that was taken of the launch. */
export function scriptWarnings(launch: Launch, hash: string): LaunchWarning[] {
  const script = launch.transport === "stdio" ? scriptArgument(launch) : undefined;
  if (script === undefined || isScriptPinned(hash)) return [];
  const why = `it is no file there, is larger than ${LIMITS.mcpScriptBytes} bytes, or was approved before scripts were looked at`;
  return [{ code: "script_unpinned", message: `${script} is not pinned by its bytes: ${why}. Whoever can change it changes what runs.` }];
}
