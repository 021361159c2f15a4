import { z } from "zod";
import type { InputField } from "#contract/mcp/import.ts";
import type { Draft, Entry } from "./entry.ts";
import { soundsSecret } from "./secret-values.ts";
import { variablesIn, type Variable } from "./variables.ts";

const Option = z.union([z.string(), z.looseObject({ value: z.string() })]);
const Declared = z.looseObject({
  id: z.string().min(1).max(128),
  description: z.string().optional(),
  password: z.boolean().optional(),
  default: z.string().optional(),
  options: z.array(Option).optional(),
});

/** Everything that the drafts' variables ask for, once each, described as the document declares it. */
export function inputFields(entries: readonly Entry[], declared: unknown): InputField[] {
  const known = new Map(readDeclared(declared).map((field) => [field.id, field]));
  const used = new Map<string, Variable>();
  for (const { draft } of entries) for (const one of variablesOf(draft)) used.set(one.id, one);
  return [...used.values()].map((variable) => known.get(variable.id) ?? undeclared(variable));
}

function readDeclared(declared: unknown): InputField[] {
  if (!Array.isArray(declared)) return [];
  return declared.flatMap((raw) => {
    const parsed = Declared.safeParse(raw);
    if (!parsed.success) return [];
    const { id, description = "", password = false, options, ...rest } = parsed.data;
    const values = options?.map((option) => (typeof option === "string" ? option : option.value));
    const field = { id, description: description || `Value of ${id}`, password, required: rest.default === undefined };
    return [{ ...field, ...(rest.default !== undefined && { default: rest.default }), ...(values && { options: values }) }];
  });
}

function undeclared({ id, fallback }: Variable): InputField {
  const field = { id, description: describe(id), password: soundsSecret(id), required: fallback === undefined };
  return fallback === undefined ? field : { ...field, default: fallback };
}

function describe(id: string): string {
  if (id === "workspaceFolder") return "The folder that the document calls the workspace";
  if (id === "workspaceFolderBasename") return "The name of the folder that the document calls the workspace";
  if (id === "userHome") return "The home folder of whoever the server runs for";
  const [, kind = "", name = ""] = /^(env|config|command|workspaceFolder):(.*)$/s.exec(id) ?? [];
  return KINDS[kind]?.(name) ?? `Value of ${id}`;
}

const KINDS: Readonly<Record<string, (name: string) => string>> = {
  env: (name) => `What the environment variable ${name} would hold`,
  config: (name) => `What the editor's setting ${name} would hold`,
  command: (name) => `What the editor's command ${name} would give`,
  workspaceFolder: (name) => `The folder ${name} of the workspace`,
};

export function textsOf(draft: Draft | undefined): string[] {
  if (draft === undefined) return [];
  if (draft.transport === "http") return [draft.url, ...Object.values(draft.headers), ...Object.values(draft.query ?? {})];
  return [draft.command, ...draft.args, ...Object.values(draft.env), draft.cwd ?? ""];
}

function variablesOf(draft: Draft | undefined): Variable[] {
  if (draft?.transport !== "stdio") return textsOf(draft).flatMap((text) => variablesIn(text));
  const own = ownVariables(draft);
  const inArguments = draft.args.flatMap((arg) => variablesIn(arg, own));
  const [command = "", ...others] = textsOf({ ...draft, args: [] });
  return [...variablesIn(command), ...inArguments, ...others.flatMap((text) => variablesIn(text))];
}

/**
 * What the document gives the server in its environment. Where an argument says `${NAME}` of one of these, no program that starts
 * servers fills it in: the server does (`mcp-remote … --header Authorization:${AUTH_HEADER}`).
 */
export const ownVariables = (draft: Draft): ReadonlySet<string> =>
  new Set(draft.transport === "stdio" ? Object.entries(draft.env).flatMap(([name, text]) => (text === `\${${name}}` ? [] : [name])) : []);
