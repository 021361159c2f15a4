import { readFileSync, statSync } from "node:fs";
import { parse } from "yaml";
import { LIMITS } from "#contract/limits.ts";

/** A file that is not too large to be sent. */
export function readText(file: string): string {
  const { size } = statSync(file);
  if (size > LIMITS.bodyBytes) throw new Error(`${file} has ${size} bytes; at most ${LIMITS.bodyBytes} are read.`);
  return readFileSync(file, "utf8");
}

/** The document in a `.json`, `.yaml` or `.yml` file. YAML aliases are bounded, so that a small file cannot grow without end. */
export function readDocument(file: string): unknown {
  const text = readText(file);
  try {
    return file.endsWith(".json") ? JSON.parse(text) : parse(text, { maxAliasCount: 100 });
  } catch (cause) {
    throw new Error(
      `${file} is not valid ${file.endsWith(".json") ? "JSON" : "YAML"}: ${cause instanceof Error ? cause.message : "unreadable"}`,
      { cause },
    );
  }
}

/** An input given as JSON text, `@file`, or `key=value` pairs. */
export function readInput(given: readonly string[]): unknown {
  const [only] = given;
  if (only === undefined) return {};
  if (given.length === 1 && only.startsWith("@")) return readDocument(only.slice(1));
  if (given.length === 1 && /^\s*[[{"]/.test(only)) return parsed(only);
  return Object.fromEntries(given.map(pair));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`The input is not valid JSON: ${cause instanceof Error ? cause.message : "unreadable"}`, { cause });
  }
}

function pair(text: string): [string, unknown] {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`Expected key=value, JSON or @file as input; got ${text}.`);
  const value = text.slice(at + 1);
  try {
    return [text.slice(0, at), JSON.parse(value)];
  } catch {
    return [text.slice(0, at), value];
  }
}
