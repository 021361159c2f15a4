import { Definition } from "#contract/definition.ts";
import type { Issue } from "#contract/errors.ts";
import { LIMITS } from "#contract/limits.ts";
import { migrate, type Current } from "./legacy/migrate.ts";
import { graphIssues } from "./graph-issues.ts";
import { referenceIssues } from "./reference-issues.ts";

export type Validated =
  | {
      valid: true;
      definition: Definition;
      issues: [];
      /** What an old document says that is not done as it says. */
      warnings: Issue[];
      /** Written in an old form, of which `definition` was made. */
      isOld: boolean;
    }
  | { valid: false; issues: Issue[] };

/**
 * Checks a definition as it arrives, one in an old form as what it is today: its form first and, when that is right, its graph and its expressions, all at once.
 * Paths look like `nodes[3].data.when`. Never throws, whatever it is given.
 */
export function validate(definition: unknown): Validated {
  if (!isWithinDepth(definition, LIMITS.jsonDepth)) {
    return { valid: false, issues: [{ path: "", message: `Expected nesting of at most ${LIMITS.jsonDepth} levels.` }] };
  }
  const current = migrate(definition);
  if (current.issues.length > 0) return { valid: false, issues: current.issues };
  return validateCurrent(current.definition, current);
}

function validateCurrent(definition: unknown, { warnings, from }: Pick<Current, "warnings" | "from">): Validated {
  const version = versionOf(definition);
  if (version !== undefined && version !== 2) {
    return {
      valid: false,
      issues: [{ path: "version", message: `Expected version 2, got ${JSON.stringify(version)}.`, code: "definition_version_unsupported" }],
    };
  }
  const parsed = Definition.safeParse(definition);
  if (!parsed.success) {
    return { valid: false, issues: parsed.error.issues.map(({ path, message }) => issueAt(definition, path, message)) };
  }
  const issues = [...graphIssues(parsed.data), ...referenceIssues(parsed.data)];
  return issues.length === 0 ? { valid: true, definition: parsed.data, issues: [], warnings, isOld: from !== 2 } : { valid: false, issues };
}

function issueAt(definition: unknown, path: readonly PropertyKey[], message: string): Issue {
  const [list, index] = path;
  const id = list === "nodes" ? member(member(member(definition, "nodes"), String(index)), "id") : undefined;
  const at = path.map((part, i) => (typeof part === "number" ? `[${part}]` : `${i === 0 ? "" : "."}${String(part)}`)).join("");
  return { path: at, message, ...(typeof id === "string" ? { nodeId: id } : {}) };
}

const versionOf = (definition: unknown): unknown => member(definition, "version");

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}

/** Walks level by level, so that a document of any depth can be looked at. */
export function isWithinDepth(value: unknown, depth: number): boolean {
  let level = [value];
  for (let left = depth; level.length > 0; left -= 1) {
    if (left < 0) return false;
    level = level.flatMap((item) => (typeof item === "object" && item !== null ? Object.values(item) : []));
  }
  return true;
}
