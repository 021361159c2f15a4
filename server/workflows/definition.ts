import type { Json } from "#contract/common.ts";
import type { Issue } from "#contract/errors.ts";
import { Definition, NODE_TYPES, type NodeType } from "#contract/definition.ts";
import { parseJson } from "#contract/parse-json.ts";
import { migrate, validate, type Validated } from "#engine/index.ts";
import { contentHash } from "../kernel/content-hash.ts";
import { AppError } from "../kernel/errors.ts";
import { compileJsonSchema } from "../kernel/json-schema.ts";

/** A definition as it is run and, when it was written in an old form, as it was given. */
export type SourcedDefinition = { definition: Definition; source?: Json };
/** A valid definition with what is stored beside it. `text` is stored: what was given, if that was in an old form. */
export type CheckedDefinition = SourcedDefinition & { text: string; hash: string; nodeTypes: NodeType[]; description: string };

/** Everything that is wrong with a definition, or the definition. One without a name takes the workflow's. */
export function checkDefinition(definition: Json, name?: string): Validated {
  const checked = validate(name === undefined || isOld(definition) ? definition : withName(definition, name));
  if (!checked.valid || !checked.definition.input) return checked;
  const issue = schemaIssue(checked.definition.input);
  return issue ? { valid: false, issues: [issue] } : checked;
}

/** Throws `workflow_invalid` with every issue, or `definition_version_unsupported`. */
export function mustBeValid(definition: Json, name: string): CheckedDefinition {
  const checked = checkDefinition(definition, name);
  if (checked.valid) return describe({ definition: checked.definition, ...(checked.isOld && { source: definition }) });
  const { issues } = checked;
  const isForeign = issues.some(({ code }) => code === "definition_version_unsupported");
  const count = issues.length === 1 ? "1 problem" : `${issues.length} problems`;
  throw new AppError(
    isForeign ? "definition_version_unsupported" : "workflow_invalid",
    `The definition has ${count}: ${issues[0]?.message ?? ""}`,
    {
      issues,
    },
  );
}

/** An old definition is stored as it was given, without a word more, and is the same whenever it is loaded. */
const isOld = (definition: Json): boolean => migrate(definition).from < 2;

/** What `text` of a stored version means today. */
export function readStored(text: string): SourcedDefinition {
  const source: Json = parseJson(text);
  const { definition, from } = migrate(source);
  return { definition: Definition.parse(definition), ...(from < 2 && { source }) };
}

function describe(given: SourcedDefinition): CheckedDefinition {
  const { definition, source = definition } = given;
  const used = new Set(definition.nodes.map(({ type }) => type));
  return {
    ...given,
    text: JSON.stringify(source),
    hash: contentHash(source).toString("hex"),
    nodeTypes: NODE_TYPES.filter((type) => used.has(type)),
    // Unlike the definition, the column cannot hold NUL.
    description: (definition.description ?? "").replaceAll("\0", "\uFFFD"),
  };
}

function withName(definition: Json, name: string): Json {
  if (typeof definition !== "object" || definition === null || Array.isArray(definition)) return definition;
  return Object.hasOwn(definition, "name") ? definition : { ...definition, name };
}

function schemaIssue(schema: Record<string, unknown>): Issue | undefined {
  try {
    compileJsonSchema(schema);
    return undefined;
  } catch (error) {
    return { path: "input", message: `Expected a JSON Schema: ${error instanceof Error ? error.message : "it cannot be compiled"}` };
  }
}
