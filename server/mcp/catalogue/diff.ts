/*
 * What has changed from one definition to another, member by member, for a person who has to decide about it: nothing in it
 * is hidden, and of a changed text one sees which words.
 */
import { isDeepStrictEqual } from "node:util";
import type { Json } from "#contract/common.ts";
import { revealHidden } from "#contract/hidden-text.ts";
import type { DefinitionChange, TextPart } from "#contract/mcp/tool-review.ts";
import { isRecord } from "../connection/json-value.ts";

/** `before` undefined: all of `after` was added. Its members count one by one, so that each can be read. */
export function diffDefinitions(before: Json | undefined, after: Json): DefinitionChange[] {
  return [...differences(before ?? {}, after, "")];
}

function* differences(before: Json | undefined, after: Json | undefined, path: string): Generator<DefinitionChange> {
  if (isDeepStrictEqual(before, after)) return;
  if (before === undefined) yield { path, kind: "added", after: revealed(after ?? null) };
  else if (after === undefined) yield { path, kind: "removed", before: revealed(before) };
  else if (isRecord(before) && isRecord(after)) yield* ofRecords(before, after, path);
  else if (Array.isArray(before) && Array.isArray(after)) yield* ofArrays(before, after, path);
  else yield changed(before, after, path);
}

function* ofRecords(before: Record<string, Json>, after: Record<string, Json>, path: string): Generator<DefinitionChange> {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const key of [...keys].toSorted()) yield* differences(member(before, key), member(after, key), memberPath(path, key));
}

/** Own members only: `constructor` is an ordinary name in a schema. */
const member = (record: Record<string, Json>, key: string): Json | undefined => (Object.hasOwn(record, key) ? record[key] : undefined);

/** Lists of plain values, like `enum` and `required`, are compared by what is in them; others place by place. */
function* ofArrays(before: readonly Json[], after: readonly Json[], path: string): Generator<DefinitionChange> {
  if (![...before, ...after].every(isPlain)) {
    for (let i = 0; i < Math.max(before.length, after.length); i += 1) yield* differences(before[i], after[i], `${path}[${i}]`);
    return;
  }
  const removed = missingFrom(before, after);
  const added = missingFrom(after, before);
  for (const i of removed) yield { path: `${path}[${i}]`, kind: "removed", before: revealed(before[i] ?? null) };
  for (const i of added) yield { path: `${path}[${i}]`, kind: "added", after: revealed(after[i] ?? null) };
  if (removed.length + added.length === 0) yield { path, kind: "changed", before: revealed([...before]), after: revealed([...after]) };
}

const isPlain = (value: Json): boolean => typeof value !== "object" || value === null;

/** The places in `list` whose values `others` does not have, each of its values standing for one. */
function missingFrom(list: readonly Json[], others: readonly Json[]): number[] {
  const left = [...others];
  return list.flatMap((value, i) => {
    const at = left.indexOf(value);
    if (at >= 0) left.splice(at, 1);
    return at >= 0 ? [] : [i];
  });
}

function changed(before: Json, after: Json, path: string): DefinitionChange {
  const change = { path, kind: "changed", before: revealed(before), after: revealed(after) } as const;
  return typeof before === "string" && typeof after === "string" ? { ...change, text: diffText(before, after) } : change;
}

const WORDS = /\s+|[\p{L}\p{N}\p{M}_]+|[^\s\p{L}\p{N}\p{M}_]/gu;

/** What both begin and end with stays; what is between them, in whole words, was replaced. */
export function diffText(before: string, after: string): TextPart[] {
  const [old, now] = [before, after].map((text) => [...text.matchAll(WORDS)].map(([word]) => word));
  if (old === undefined || now === undefined) return [];
  const shorter = Math.min(old.length, now.length);
  let start = 0;
  while (start < shorter && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < shorter - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  const parts: TextPart[] = [
    { kind: "same", text: old.slice(0, start).join("") },
    { kind: "removed", text: old.slice(start, old.length - end).join("") },
    { kind: "added", text: now.slice(start, now.length - end).join("") },
    { kind: "same", text: old.slice(old.length - end).join("") },
  ];
  return parts.filter(({ text }) => text !== "").map(({ kind, text }) => ({ kind, text: revealHidden(text) }));
}

function memberPath(path: string, key: string): string {
  if (!/^[A-Za-z_$][\w$-]*$/u.test(key)) return `${path}[${JSON.stringify(revealHidden(key))}]`;
  return path === "" ? key : `${path}.${key}`;
}

/** With every hidden character written out, in names of members too. */
function revealed(value: Json): Json {
  if (typeof value === "string") return revealHidden(value);
  if (Array.isArray(value)) return value.map(revealed);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [revealHidden(key), revealed(of)]));
}
