import stripJsonComments from "strip-json-comments";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";

/** JSON as editors write it: with comments, and commas after the last member. Bounded in depth as any body is. */
export function readJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(stripJsonComments(text.replace(/^\uFEFF/, ""), { trailingCommas: true }), refusePrototype);
  } catch (cause) {
    throw invalid(`expected valid JSON: ${cause instanceof Error ? cause.message : "it ends too early"}`, cause);
  }
  if (isDeeper(value, LIMITS.jsonDepth)) throw invalid(`expected at most ${LIMITS.jsonDepth} levels`);
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

const invalid = (message: string, cause?: unknown): AppError =>
  new AppError("request_invalid", `The document cannot be read: ${message}.`, { issues: [{ path: "document", message }], cause });
