import { Slug } from "#contract/common.ts";
import type { Issue } from "#contract/errors.ts";
import type { ImportMcpServers } from "#contract/mcp/import.ts";
import { Launch } from "#contract/mcp/servers.ts";
import type { LaunchWarning } from "#contract/mcp/warnings.ts";
import type { Draft, Entry, ReadDocument } from "../formats/entry.ts";
import { ownVariables } from "../formats/input-fields.ts";
import { toSlug } from "../formats/names.ts";
import { placeAddress } from "./place-address.ts";
import { fill, placeArguments, placeNamed, type PlannedSecret, type Placing } from "./place-values.ts";

/** What would become of one server of a document. */
export type PlannedServer = {
  key: string;
  name: string;
  description: string;
  /** The name that it would get instead, if its own is taken. */
  renamed: string | undefined;
  isSkipped: boolean;
  isDisabled: boolean;
  draft: Draft | undefined;
  /** Undefined while something is missing or wrong. */
  launch: Launch | undefined;
  secrets: PlannedSecret[];
  inputs: string[];
  warnings: LaunchWarning[];
  errors: Issue[];
};

export type Choices = Pick<ImportMcpServers, "entries" | "onClash"> & { inputs: Readonly<Record<string, string>> };
export type Taken = { servers: ReadonlySet<string>; secrets: ReadonlySet<string> };

/** Decides names, places of values, and what is missing or wrong. Pure: what is taken is told. */
export function planImport({ entries, inputs }: ReadDocument, choices: Choices, taken: Taken): PlannedServer[] {
  const fields = new Map(inputs.map((field) => [field.id, field]));
  const used = new Set(taken.servers);
  const takenSecrets = new Set(taken.secrets);
  return chosen(entries, choices).map(({ entry, wanted }) => {
    const name = wanted ?? toSlug(entry.key);
    const isTaken = used.has(name);
    const renamed = isTaken ? freeSlug(name, used) : undefined;
    const isSkipped = isTaken && choices.onClash === "skip";
    const finalName = isTaken && choices.onClash === "rename" ? (renamed ?? name) : name;
    if (!isSkipped) used.add(finalName);
    const placing = {
      server: finalName,
      fields,
      values: choices.inputs,
      takenSecrets,
      secrets: [],
      missing: new Set<string>(),
      warnings: [],
    };
    return plan(entry, { name: finalName, renamed, isSkipped }, placing);
  });
}

/** The keys that were asked for and are not in the document. */
export const unknownKeys = ({ entries }: ReadDocument, { entries: asked = [] }: Choices): string[] =>
  asked.map(({ key }) => key).filter((key) => entries.every((entry) => entry.key !== key));

function chosen(entries: readonly Entry[], { entries: asked }: Choices): { entry: Entry; wanted: string | undefined }[] {
  if (asked === undefined) return entries.map((entry) => ({ entry, wanted: undefined }));
  return entries.flatMap((entry) => asked.filter(({ key }) => key === entry.key).map(({ name }) => ({ entry, wanted: name })));
}

function freeSlug(name: string, used: ReadonlySet<string>): string {
  for (let n = 2; ; n += 1) {
    const free = `${name.slice(0, 58)}-${n}`;
    if (!used.has(free)) return free;
  }
}

type Named = Pick<PlannedServer, "name" | "renamed" | "isSkipped">;

function plan(entry: Entry, named: Named, placing: Placing): PlannedServer {
  const { key, path, description, isDisabled } = entry;
  const errors = [...entry.errors];
  if (!Slug.safeParse(named.name).success)
    errors.push({
      path,
      message: `expected a name with letters a to z or digits, or another one in entries; got ${JSON.stringify(key).slice(0, 80)}`,
    });
  const draft = entry.draft && place(entry.draft, { path, placing, errors });
  const isWhole = placing.missing.size === 0 && errors.length === 0;
  const parsed = draft && isWhole ? Launch.safeParse(draft) : undefined;
  for (const issue of parsed?.error?.issues ?? []) {
    // A name that is not allowed: what is, is said one level below.
    const { message } = (issue.code === "invalid_key" && issue.issues[0]) || issue;
    errors.push({ path: [path, ...issue.path.map(String)].join("."), message });
  }
  const ignored = entry.ignored.map((field): LaunchWarning => ({ code: "ignored", message: `${field} is not taken over.` }));
  const { secrets, missing, warnings } = placing;
  return {
    ...named,
    key,
    description,
    isDisabled,
    draft,
    launch: parsed?.data,
    secrets,
    inputs: [...missing],
    warnings: [...warnings, ...ignored],
    errors,
  };
}

type Context = { path: string; placing: Placing; errors: Issue[] };

function place(draft: Draft, { path, placing, errors }: Context): Draft {
  const open = (field: string, text: string): string => {
    const filled = fill(placing, text);
    if (filled.isPassword)
      errors.push({
        path: `${path}.${field}`,
        message: `a password cannot be kept secret in ${field}; use a header, a variable or an argument`,
      });
    return filled.text;
  };
  if (draft.transport === "http") {
    const { url, query, problems } = placeAddress(placing, draft);
    errors.push(...problems.map((message) => ({ path: `${path}.url`, message })));
    return { ...draft, url, headers: placeNamed(placing, "headers", draft.headers), ...(query && { query }) };
  }
  const { cwd } = draft;
  return {
    ...draft,
    command: open("command", draft.command),
    args: placeArguments(placing, draft.args, ownVariables(draft)),
    env: placeNamed(placing, "env", draft.env),
    cwd: cwd === undefined || cwd === "" ? undefined : open("cwd", cwd),
  };
}
