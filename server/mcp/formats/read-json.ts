import stripJsonComments from "strip-json-comments";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";

/** JSON as editors write it: with comments, and commas after the last member. Bounded in depth as any body is. */
export function readJson(text: string): unknown {
  const plain = stripJsonComments(text.replace(/^\uFEFF/, ""), { trailingCommas: true });
  let value: unknown;
  try {
    value = JSON.parse(plain, refusePrototype);
  } catch (cause) {
    throw invalid(`expected valid JSON: ${cause instanceof Error ? cause.message : "it ends too early"}`, cause);
  }
  if (isDeeper(value, LIMITS.jsonDepth)) throw invalid(`expected at most ${LIMITS.jsonDepth} levels`);
  // The parser keeps the last of two members of one name; the other would be lost without a word.
  if (namesIn(value) !== namesWritten(plain)) throw invalid("an object names the same key twice");
  return value;
}

/** A member of this name would reach a prototype in careless code. */
function refusePrototype(name: string, value: unknown): unknown {
  if (name === "__proto__") throw new Error("a member called __proto__");
  return value;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1));
}

function namesIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const members = Object.values(value);
  return members.reduce<number>((sum, member) => sum + namesIn(member), Array.isArray(value) ? 0 : members.length);
}

/** Of a text that has been parsed: every string of it ends. */
const namesWritten = (text: string): number => text.replaceAll(/"(?:[^"\\]+|\\.)*"/g, "").split(":").length - 1;

const invalid = (message: string, cause?: unknown): AppError =>
  new AppError("request_invalid", `The document cannot be read: ${message}.`, { issues: [{ path: "document", message }], cause });
