import { createHash } from "node:crypto";
import canonicalize from "canonicalize";

/** SHA-256 as 64 hexadecimal digits. */
export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * RFC 8785 JSON: equal values give equal text, whatever the order of their keys. Undefined when the value has none,
 * for example because a string in it holds half a surrogate pair.
 */
export function canonicalJson(value: unknown): string | undefined {
  try {
    return canonicalize(value);
  } catch {
    return undefined;
  }
}
