import { AppError } from "./errors.ts";

/** An opaque cursor out of the sort key of the last row of a page. */
export function encodeCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** The parts of a cursor, or `cursor_invalid` when it was not made by `encodeCursor` with that many parts, each matching `shape`. */
export function decodeCursor(cursor: string | undefined, shape: readonly RegExp[]): string[] | undefined {
  if (cursor === undefined) return undefined;
  const parts = parse(cursor);
  if (parts.length !== shape.length || !parts.every((part, i) => shape[i]?.test(part))) {
    throw new AppError("cursor_invalid", "The cursor is not one that this list has given out.");
  }
  return parts;
}

function parse(cursor: string): string[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    return Array.isArray(value) && value.every((part) => typeof part === "string") ? value : [];
  } catch {
    return [];
  }
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Cuts rows fetched with `limit + 1` into a page and the cursor of the next one. */
type Cut<R, T> = { limit: number; map: (row: R) => T; key: (row: R) => readonly string[] };
export function toPage<R, T>(rows: readonly R[], { limit, map, key }: Cut<R, T>): { items: T[]; nextCursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(map), nextCursor: rows.length > limit && last ? encodeCursor(key(last)) : null };
}
