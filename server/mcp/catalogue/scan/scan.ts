/**
 * A first look at what a server says about itself, for what a person reading it would not see or should not obey. A finding
 * never blocks for good: it only means that nobody but a person may approve the tool. Fits everything that a server
 * describes: tools, resources, prompts, its instructions.
 */
import { revealHidden } from "#contract/hidden-text.ts";
import { findPretender } from "./confusables.ts";
import { findHidden } from "./hidden-text.ts";
import { findInstructions } from "./instructions.ts";
import type { Neighbourhood } from "./neighbours.ts";

const LONGEST = 64 * 1024;
const MOST_FINDINGS = 50;
const LONGEST_PATH = 300;

/**
 * What is suspicious in a definition: each finding names the place. Empty means nothing was found. With a neighbourhood, also
 * what it says about the tools of other servers.
 */
export function scanDefinition(definition: unknown, neighbourhood?: Neighbourhood): string[] {
  const findings = new Set<string>();
  for (const { path, text } of textsOf(definition)) {
    if (findings.size >= MOST_FINDINGS) break;
    const found = [
      ...scanText(text),
      ...(neighbourhood?.namedIn(text).map((tool) => `speaks of the tool ${tool} of another server`) ?? []),
    ];
    for (const finding of found) findings.add(`${revealHidden(path).slice(0, LONGEST_PATH) || "definition"}: ${finding}`);
  }
  return [...findings].slice(0, MOST_FINDINGS);
}

/** The same, and whether the tool's name imitates another server's. */
export function scanTool(definition: { name: string }, neighbourhood: Neighbourhood): string[] {
  const original = neighbourhood.imitatedBy(definition.name);
  const found = scanDefinition(definition, neighbourhood);
  return original === undefined ? found : [`name: looks like the tool ${original} of another server`, ...found];
}

export function scanText(text: string): string[] {
  if (text.length > LONGEST) return ["text that is too long to review"];
  const pretender = findPretender(text);
  const alphabets = pretender === undefined ? [] : [`letters that look like others (${revealCode(pretender)})`];
  return [...findHidden(text), ...alphabets, ...findInstructions(text)];
}

const revealCode = (letter: string): string => `U+${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;

/** Every string of a JSON value with its path, names of members included: they are shown to models too. */
export function* textsOf(value: unknown, path = ""): Generator<{ path: string; text: string }> {
  if (typeof value === "string") yield { path, text: value };
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    const at = path === "" ? key : `${path}.${key}`;
    if (!Array.isArray(value)) yield { path: `${at} (name)`, text: key };
    yield* textsOf(member, at);
  }
}
