import type { Json } from "#contract/common.ts";
import { setOwn, type JsonObject } from "./plain-json.ts";
import type { RootReference } from "./references.ts";
import type { Roots } from "./roots.ts";

/** Which parts of a value are read: all of it, or only some members, and of those again all or some. */
type Parts = "all" | Map<string, Parts>;

/** Prepares the top-level context of an expression: a copy of what it reads, and of no more. */
export function contextReader(references: readonly RootReference[]): (roots: Roots) => JsonObject {
  const wanted = new Map<string, Parts>();
  const wantedSteps = new Map<string, Parts>();
  for (const { root, name, path } of references) {
    if (root === "steps" && name !== undefined) want(wantedSteps, [name, ...path]);
    else want(wanted, [root, ...(name === undefined ? [] : [name]), ...path]);
  }
  return (roots) => {
    const context: JsonObject = {};
    for (const [root, parts] of wanted) {
      const value = rootOf(roots, root);
      if (value !== undefined) setOwn(context, root, copyOf(value, parts));
    }
    const steps: JsonObject = {};
    for (const [name, parts] of wantedSteps) {
      const output = roots.step(name);
      if (output !== undefined) setOwn(steps, name, copyOf(output, parts));
    }
    if (wantedSteps.size > 0) context["steps"] = steps;
    return context;
  };
}

function want(parts: Map<string, Parts>, [name = "", ...path]: readonly string[]): void {
  const known = parts.get(name);
  if (path.length === 0 || known === "all") {
    parts.set(name, "all");
    return;
  }
  const below = known ?? new Map<string, Parts>();
  parts.set(name, below);
  want(below, path);
}

function rootOf(roots: Roots, name: string): Json | undefined {
  if (name === "input") return roots.input;
  if (name === "context") return roots.context;
  if (name === "item") return roots.item;
  if (name === "index") return roots.index;
  return name === "run" ? roots.run : undefined;
}

/** JSONata takes objects with these members for functions, so data must not have them. */
const MARKS = new Set(["_jsonata_lambda", "_jsonata_function"]);

/**
 * JSONata marks and sometimes changes the lists it works on, hence a copy. It shares nothing within itself either: `in` compares
 * by identity, and which parts of the data are one and the same must not matter, as a restart changes it.
 */
function copyOf(value: Json, parts: Parts): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => copyOf(item, parts));
  const copy: JsonObject = {};
  for (const key of Object.keys(value)) {
    const member = value[key];
    const wanted = parts === "all" ? parts : parts.get(key);
    if (member !== undefined && wanted !== undefined && !MARKS.has(key)) setOwn(copy, key, copyOf(member, wanted));
  }
  return copy;
}
