import type { Environment } from "#contract/common.ts";
import type { Issue } from "#contract/errors.ts";
import type { ImportMcpServers } from "#contract/mcp/import.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Database, SecretWriter } from "#server/kernel/ports.ts";
import type { ReadDocument } from "../formats/entry.ts";
import { readDocument } from "../formats/read-document.ts";
import { planImport, unknownKeys, type Choices, type PlannedServer } from "./plan-import.ts";
import { namesTaken } from "./servers.pg.ts";

type Deps = { database: Database; vault: SecretWriter };
type Planned = { read: ReadDocument; plan: PlannedServer[] };

/** Reads a document and decides, from what is there now, what an import of it would do. */
export async function planDocument(deps: Deps, tenantId: string, body: ImportMcpServers): Promise<Planned> {
  const read = readDocument(body);
  const inputs = body.inputs === undefined || Array.isArray(body.inputs) ? {} : body.inputs;
  const choices: Choices = { ...(body.entries && { entries: body.entries }), onClash: body.onClash, inputs };
  const missing = unknownKeys(read, choices);
  if (missing.length > 0) {
    const issues = missing.map((key) => ({ path: "entries", message: `the document has no server ${key}` }));
    throw new AppError("request_invalid", `The document has no server ${missing.join(", ")}.`, { issues });
  }
  refuseValues(read, inputs);
  return { read, plan: await planRead(deps, { tenantId, environment: body.environment }, { read, choices }) };
}

/** A value that nothing asks for, or that is none of those to choose from, is a mistake that should be told. */
function refuseValues({ inputs: fields }: ReadDocument, given: Readonly<Record<string, string>>): void {
  const issues = Object.entries(given).flatMap(([id, value]): Issue[] => {
    const field = fields.find((one) => one.id === id);
    const path = `inputs.${id}`;
    if (field === undefined) return [{ path, message: "the document asks for no such input" }];
    if (value === "" || field.options?.includes(value) !== false) return [];
    return [{ path, message: `expected one of ${field.options.join(", ")}` }];
  });
  if (issues.length > 0) throw invalid(`The inputs do not fit: ${issues[0]?.path ?? ""}: ${issues[0]?.message ?? ""}.`, issues);
}

/** The plan of what has been read, as of the names that are taken now. */
export async function planRead(
  { database, vault }: Deps,
  { tenantId, environment }: { tenantId: string; environment: Environment },
  { read, choices }: { read: ReadDocument; choices: Choices },
): Promise<PlannedServer[]> {
  const taken = await database.asTenant(tenantId, async (tx) => ({
    servers: await namesTaken(tx, environment),
    secrets: await vault.names(tx, environment),
  }));
  return planImport(read, choices, taken);
}

/** Throws what stands in the way of an import, worst first: `request_invalid` or `name_taken`. */
export function refusePlan({ read: { inputs }, plan }: Planned, whenTaken = OTHER_NAMES): void {
  const wanted = plan.filter(({ isSkipped }) => !isSkipped);
  const errors = wanted.flatMap((one) => one.errors);
  if (errors.length > 0)
    throw invalid(`${errors.length} problems in the document: ${errors[0]?.path ?? ""}: ${errors[0]?.message ?? ""}.`, errors);
  const asked = new Set(wanted.flatMap((one) => one.inputs));
  if (asked.size > 0) {
    const describe = (id: string): string => inputs.find((field) => field.id === id)?.description ?? id;
    const issues = [...asked].map((id) => ({ path: `inputs.${id}`, message: `expected a value: ${describe(id)}`, code: "input_missing" }));
    throw new AppError("request_invalid", `Values are missing: ${[...asked].join(", ")}.`, {
      issues,
      remedy: "Send them in `inputs`, by id; on the command line, as `--input id=value`.",
    });
  }
  const clashing = wanted.filter(({ name, renamed }) => renamed !== undefined && name !== renamed);
  if (clashing.length === 0) return;
  const issues = clashing.map(({ name, renamed }) => ({ path: name, message: `the name is taken; ${renamed ?? ""} is free` }));
  throw new AppError("name_taken", `The names of these servers are taken: ${clashing.map(({ name }) => name).join(", ")}.`, {
    issues,
    remedy: whenTaken,
  });
}

const OTHER_NAMES = "Give other names in `entries` (`--only key=name`), or set `onClash` (`--on-clash`) to `rename` or `skip`.";

const invalid = (message: string, issues: Issue[]): AppError => new AppError("request_invalid", message, { issues });
