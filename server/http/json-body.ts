import { isUtf8 } from "node:buffer";
import type { Issue } from "#contract/errors.ts";
import { LIMITS } from "#contract/limits.ts";
import { parseJson } from "#contract/parse-json.ts";
import { AppError } from "#server/kernel/errors.ts";
import { requestInvalid } from "./problem.ts";
import { jsonPath, textProblem } from "./text.ts";

/**
 * Reads a JSON body in three linear passes, so that nothing hostile reaches a recursive function: a scan of the bytes
 * counts depth, values and member names; `parseJson` builds the value; a walk checks every name, string and number.
 * The walk counts the names that survived: fewer than the scan saw means that an object names a key twice.
 */
export function parseJsonBody(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new AppError("body_malformed", "The body is not valid UTF-8.");
  const { names } = scan(bytes);
  const value = parse(bytes.toString("utf8"));
  const issues: Issue[] = [];
  const found = inspect(value, issues);
  if (issues.length > 0) throw requestInvalid("body", issues);
  if (found !== names) throw new AppError("body_malformed", "An object in the body names the same key twice.");
  return value;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Throws `body_too_deep` or `body_too_large` before anything is built. Malformed JSON is left to the parser. */
function scan(bytes: Buffer): { names: number } {
  let depth = 0;
  let names = 0;
  let values = 1;
  for (let i = 0; i < bytes.length; i += 1) {
    switch (bytes[i] ?? 0) {
      case QUOTE:
        i = endOfString(bytes, i);
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth += 1;
        if (depth > LIMITS.jsonDepth) throw new AppError("body_too_deep", `The body nests deeper than ${LIMITS.jsonDepth} levels.`);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth -= 1;
        break;
      case 0x3a: // :
        names += 1;
        break;
      case 0x2c: // ,
        values += 1;
        break;
      default:
    }
  }
  if (values > LIMITS.jsonNodes) throw new AppError("body_too_large", `The body holds more than ${LIMITS.jsonNodes} values.`);
  return { names };
}

/** Index of the quote that ends the string which starts at `start`; the end of the bytes when none does. */
function endOfString(bytes: Buffer, start: number): number {
  let end = bytes.indexOf(QUOTE, start + 1);
  while (end !== -1 && isEscaped(bytes, end)) end = bytes.indexOf(QUOTE, end + 1);
  return end === -1 ? bytes.length : end;
}
function isEscaped(bytes: Buffer, at: number): boolean {
  let first = at;
  while (bytes[first - 1] === BACKSLASH) first -= 1;
  return (at - first) % 2 === 1;
}

function parse(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new AppError("body_malformed", `The body is not valid JSON: ${cause instanceof Error ? cause.message : "it ends too early"}.`, {
      cause,
    });
  }
}

/** Names that would reach a prototype in careless code; refused anywhere. */
const FORBIDDEN_NAMES: ReadonlySet<string> = new Set(["__proto__"]);
const MAX_ISSUES = 20;

/** Counts the member names and lists what cannot be accepted. Recursion is bounded by the depth that `scan` has checked. */
function inspect(root: unknown, issues: Issue[]): number {
  let names = 0;
  const path: (string | number)[] = ["body"];
  const report = (message: string): void => {
    if (issues.length < MAX_ISSUES) issues.push({ path: jsonPath(path), message });
  };
  const visit = (value: unknown): void => {
    if (typeof value === "string") {
      const problem = textProblem(value);
      if (problem) report(problem);
    } else if (typeof value === "number") {
      const problem = numberProblem(value);
      if (problem) report(problem);
    } else if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i += 1) descend(i, value[i]);
    } else if (typeof value === "object" && value !== null) {
      visitMembers(value);
    }
  };
  const descend = (key: string | number, value: unknown): void => {
    path.push(key);
    visit(value);
    path.pop();
  };
  const visitMembers = (value: object): void => {
    for (const [name, member] of Object.entries(value)) {
      names += 1;
      const problem = textProblem(name) ?? nameProblem(name, member);
      if (problem) report(`${JSON.stringify(name)} as a name: ${problem}`);
      descend(name, member);
    }
  };
  visit(root);
  return names;
}

function nameProblem(name: string, member: unknown): string | undefined {
  const reachesPrototype =
    FORBIDDEN_NAMES.has(name) ||
    (name === "constructor" && typeof member === "object" && member !== null && Object.hasOwn(member, "prototype"));
  return reachesPrototype ? "expected another one, as this could change how objects behave" : undefined;
}

/** Numbers that JSON.parse would change silently. */
function numberProblem(value: number): string | undefined {
  if (!Number.isFinite(value)) return "the number is too large";
  // Beyond 1e21 JavaScript prints an exponent, and nobody expects every digit to count.
  if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21) {
    return "the integer is beyond 2^53 and would lose digits; send it as a string";
  }
  return undefined;
}
