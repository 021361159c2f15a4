import type { Json } from "#contract/common.ts";
import type { ContainerItem } from "../../graph/overlay.ts";

const NAMING = ["name", "title", "id", "label", "path", "file"] as const;
const PREVIEW_CHARS = 80;

/** An item of a `map` in a few words: a text itself, an object by what names it. */
export function previewOf(item: Json): string {
  if (typeof item === "string") return shorten(item);
  if (item === null || typeof item !== "object") return String(item);
  if (!Array.isArray(item)) {
    const named = NAMING.map((key) => item[key]).find((value) => typeof value === "string" || typeof value === "number");
    if (named !== undefined) return shorten(String(named));
  }
  return shorten(JSON.stringify(item));
}

const shorten = (text: string): string => (text.length > PREVIEW_CHARS ? `${text.slice(0, PREVIEW_CHARS)}…` : text);

/** Whose turn it is, or the item itself; of a loop's round there is nothing to say. */
export const previewOfItem = ({ member, value }: Pick<ContainerItem, "member" | "value">): string =>
  member ?? (value === undefined ? "" : previewOf(value));
