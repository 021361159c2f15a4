import { IDENTIFIER } from "#contract/common.ts";
import type { InputField } from "#contract/mcp/import.ts";
import type { LaunchWarning } from "#contract/mcp/warnings.ts";
import { isPlaceholder, looksSecret } from "../formats/secret-values.ts";
import { fillIn, variablesIn } from "../formats/variables.ts";
import { readArgument, secretName } from "./launch.ts";

/** A value that goes to the vault. Without a value it is one that is still asked for. */
export type PlannedSecret = { at: string; name: string; value: string | undefined };

/** What the texts of one server are made of, and what is found in them on the way. */
export type Placing = {
  server: string;
  fields: ReadonlyMap<string, InputField>;
  values: Readonly<Record<string, string>>;
  /** Names that secrets have already; those that are planned are added. */
  takenSecrets: Set<string>;
  secrets: PlannedSecret[];
  missing: Set<string>;
  warnings: LaunchWarning[];
};

type Filled = { text: string; isPassword: boolean; isMissing: boolean; isLeftOut: boolean };

/** The text with the given values, but for variables of `own`. It is left out when all that it was for is optional and not given. */
export function fill(placing: Placing, text: string, own?: ReadonlySet<string>): Filled {
  const variables = variablesIn(text, own);
  const given = variables.map(({ id, fallback }) => valueOf(placing, id) ?? fallback);
  const fields = variables.map(({ id }) => placing.fields.get(id));
  const isLeftOut =
    variables.length > 0 && given.every((value) => value === undefined) && fields.every((field) => field?.required === false);
  const isMissing = !isLeftOut && given.includes(undefined);
  if (isMissing) for (const [i, { id }] of variables.entries()) if (given[i] === undefined) placing.missing.add(id);
  const filled = fillIn(text, ({ id, fallback }) => valueOf(placing, id) ?? fallback, own);
  return { text: filled, isPassword: fields.some((field) => field?.password), isMissing, isLeftOut };
}

const valueOf = ({ values, fields }: Placing, id: string): string | undefined =>
  (Object.hasOwn(values, id) && values[id] !== "" ? values[id] : undefined) ?? fields.get(id)?.default;

/** Environment, headers or parameters: what is secret is replaced by a reference. */
export function placeNamed(
  placing: Placing,
  where: "env" | "headers" | "query",
  texts: Readonly<Record<string, string>>,
): Record<string, string> {
  const placed = Object.entries(texts).flatMap(([name, text]) => {
    const filled = fill(placing, text);
    return filled.isLeftOut ? [] : [[name, placeText(placing, { at: `${where}.${name}`, name, filled })]];
  });
  return Object.fromEntries(placed);
}

/** Arguments, each under the name that its option gives it. `own` as for `fill`. */
export function placeArguments(placing: Placing, args: readonly string[], own: ReadonlySet<string>): string[] {
  return args.flatMap((_arg, i) => {
    const { before, name, value } = readArgument(args, i);
    const filled = fill(placing, value, own);
    if (filled.isLeftOut) return [];
    return [before + placeText(placing, { at: `args[${i}]`, name, filled })];
  });
}

type Place = { at: string; name: string; filled: Filled };

/** The text, or the reference to the secret that it becomes. */
export function placeText(placing: Placing, { at, name, filled }: Place): string {
  const { text, isPassword, isMissing } = filled;
  if (secretName(text) !== undefined || (!isPassword && text.startsWith("secret:"))) return text;
  if (!isPassword && isPlaceholder(text) && !isMissing) {
    placing.warnings.push({ code: "placeholder", message: `${at} looks like a placeholder for a value of your own.` });
  }
  if (!isPassword && (isMissing || !looksSecret(name, text))) return text;
  const value = isMissing ? undefined : text;
  const known = placing.secrets.find((secret) => value !== undefined && secret.value === value);
  const secret = { at, name: known?.name ?? freeName(placing, name), value };
  placing.secrets.push(secret);
  if (at.startsWith("args")) {
    placing.warnings.push({
      code: "secret_in_arguments",
      message: `${at} is kept in the vault, but other users of this machine can read the arguments of a running process.`,
    });
  }
  return `secret:${secret.name}`;
}

function freeName({ server, takenSecrets }: Placing, name: string): string {
  const plain = (text: string): string =>
    text
      .slice(0, 100)
      .replace(/\W+/g, "_")
      .replace(/^_+|_+$/g, "");
  const [owner, own] = [plain(server), plain(name)];
  const joined = own.toLowerCase().startsWith(owner.toLowerCase()) ? own : `${owner}_${own}`;
  const base = (IDENTIFIER.test(joined) ? joined : `s_${joined}`).slice(0, 58);
  let free = base;
  for (let n = 2; takenSecrets.has(free); n += 1) free = `${base}_${n}`;
  takenSecrets.add(free);
  return free;
}
