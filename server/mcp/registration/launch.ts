import type { Launch } from "#contract/mcp/servers.ts";
import { IDENTIFIER } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import { canonicalJson, sha256 } from "../catalogue/canonical.ts";
import { looksSecret } from "../formats/secret-values.ts";

/**
 * What an approval of a launch is about: the exact arguments, environment (names and values as written, so secrets by
 * name), folder, caps and sandbox, and the bytes of the executable. `executable` is its SHA-256, or null while the command is not installed.
 * What is known of the script that it runs stands behind that, so that one can tell which of the two has changed.
 */
export function launchHash(launch: Launch, executable: string | null, script?: string): string {
  const subject =
    launch.transport === "stdio"
      ? { transport: "stdio", argv: [launch.command, ...launch.args], ...placeOf(launch), executable }
      : { transport: "http", url: launch.url, headers: launch.headers, ...optionalOf(launch) };
  const hash = sha256(canonicalJson(subject) ?? JSON.stringify(subject));
  return script === undefined ? hash : `${hash}.${script}`;
}

/** Stands for a script that is no file, or too large to be read before every start. */
export const UNPINNED = "unpinned";

export const isScriptPinned = (hash: string): boolean => /\.[0-9a-f]{64}$/.test(hash);

type StdioLaunch = Extract<Launch, { transport: "stdio" }>;
type HttpLaunch = Extract<Launch, { transport: "http" }>;

const optionalOf = ({ type, query }: HttpLaunch) => ({ ...(type && { type }), ...(query && { query }) });

/** What a launch does not name is left out: what was approved before it could be named stays approved. */
const placeOf = ({ env, cwd, caps, sandbox }: StdioLaunch) => ({
  env,
  cwd: cwd ?? null,
  ...(caps && { caps }),
  ...(sandbox && { sandbox }),
});

const SECRET = "secret:";

/** The name of the secret that a value refers to, if it does. */
export function secretName(value: string): string | undefined {
  const name = value.startsWith(SECRET) ? value.slice(SECRET.length) : undefined;
  return name !== undefined && IDENTIFIER.test(name) ? name : undefined;
}

const IN_ARGUMENT = /^((?:--?[A-Za-z][\w-]*|[A-Za-z_]\w*)=)?secret:([A-Za-z_]\w{0,63})$/;

/** The secret that an argument refers to, as a whole or behind `--option=`, and what stands before it. */
export function secretInArgument(argument: string): { before: string; name: string } | undefined {
  const [, before = "", name] = IN_ARGUMENT.exec(argument) ?? [];
  return name === undefined ? undefined : { before, name };
}

type NamedValues = [where: "env" | "headers" | "query", values: Record<string, string>];

/** The values of a launch that have names, by the member that holds them. */
export function namedValues(launch: Launch): NamedValues[] {
  if (launch.transport === "stdio") return [["env", launch.env]];
  return [["headers", launch.headers], ...(launch.query ? [["query", launch.query] satisfies NamedValues] : [])];
}

/** The secrets that a launch refers to. */
export function secretsNamedBy(launch: Launch): Set<string> {
  const values = namedValues(launch).flatMap(([, named]) => Object.values(named).map(secretName));
  const args = launch.transport === "stdio" ? launch.args.map((argument) => secretInArgument(argument)?.name) : [];
  return new Set([...values, ...args].filter((name) => name !== undefined));
}

const CREDENTIAL = /key|token|secret|passw|credential|auth|cookie|session/i;
const MASK = "********";

/** A launch as it may be shown: values that look like credentials and were written in plain are masked. */
export function maskLaunch(launch: Launch): Launch {
  return withNamed(launch, maskValues);
}

/** A launch that somebody was shown and sends back: what was masked there is what is stored. Throws `request_invalid` for a mask of nothing. */
export function unmaskLaunch(launch: Launch, stored: Launch): Launch {
  const known = new Map(namedValues(stored));
  return withNamed(launch, (values, where) => unmaskValues(values, known.get(where) ?? {}, where));
}

type Change = (values: Record<string, string>, where: NamedValues[0]) => Record<string, string>;

function withNamed(launch: Launch, change: Change): Launch {
  if (launch.transport === "stdio") return { ...launch, env: change(launch.env, "env") };
  const { headers, query } = launch;
  return { ...launch, headers: change(headers, "headers"), ...(query && { query: change(query, "query") }) };
}

function unmaskValues(values: Record<string, string>, known: Record<string, string>, where: string): Record<string, string> {
  const unmasked = Object.entries(values).map(([name, value]) => {
    if (value !== MASK) return [name, value];
    const kept = known[name];
    if (kept !== undefined) return [name, kept];
    const path = `body.launch.${where}.${name}`;
    throw new AppError("request_invalid", `${path} is masked, and there is no stored value that it could stand for.`, {
      issues: [{ path, message: "expected a value" }],
    });
  });
  return Object.fromEntries(unmasked);
}

function maskValues(values: Record<string, string>): Record<string, string> {
  const masked = Object.entries(values).map(([name, value]) => {
    const shown = secretName(value) !== undefined || !(CREDENTIAL.test(name) || looksSecret(name, value));
    return [name, shown ? value : MASK];
  });
  return Object.fromEntries(masked);
}

type Argument = { before: string; name: string; value: string };

/** Behind `--option=` or after `--option`, an argument is a value of that name. `before` is what stands before the value. */
export function readArgument(args: readonly string[], at: number): Argument {
  const arg = args[at] ?? "";
  const [, before = "", value = arg] = /^((?:--?[A-Za-z][\w-]*|[A-Za-z_]\w*)=)(.+)$/s.exec(arg) ?? [];
  const previous = args[at - 1] ?? "";
  const option = before || (/^--?[A-Za-z][\w-]*$/.test(previous) ? previous : "");
  return { before, name: option.replace(/^-+|=$/g, "") || `arg_${at}`, value };
}

/** Whether a named value is a credential itself, not where the vault has one. */
export const isCredential = (name: string, value: string): boolean => secretName(value) === undefined && looksSecret(name, value);

/** Whether an argument holds a credential itself, not where the vault has one. */
export function holdsCredential(args: readonly string[], at: number): boolean {
  const { name, value } = readArgument(args, at);
  return looksSecret(name, value) && secretInArgument(args[at] ?? "") === undefined;
}

/** A launch as the audit trail keeps it: what runs where, without values that may be secret. */
export function summariseLaunch(launch: Launch): Record<string, string | string[]> {
  if (launch.transport === "http")
    return { url: launch.url, headers: Object.keys(launch.headers), ...(launch.query && { query: Object.keys(launch.query) }) };
  const args = launch.args.map((arg, i) => (holdsCredential(launch.args, i) ? MASK : arg));
  return { argv: [launch.command, ...args], env: Object.keys(launch.env), cwd: launch.cwd ?? "" };
}
