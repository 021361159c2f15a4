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
  for (const { draft } of entries) for (const text of textsOf(draft)) for (const one of variablesIn(text)) used.set(one.id, one);
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
  if (id === "userHome") return "The home folder of whoever the server runs for";
  return id.startsWith("env:") ? `What the environment variable ${id.slice(4)} would hold` : `Value of ${id}`;
}

export function textsOf(draft: Draft | undefined): string[] {
  if (draft === undefined) return [];
  if (draft.transport === "http") return [draft.url, ...Object.values(draft.headers), ...Object.values(draft.query ?? {})];
  return [draft.command, ...draft.args, ...Object.values(draft.env), draft.cwd ?? ""];
}
