import { createHash } from "node:crypto";
import canonicalize from "canonicalize";

/** SHA-256 over canonical JSON (RFC 8785): equal for documents that differ only in the order of keys and in white space. */
export function contentHash(value: unknown): Buffer {
  return createHash("sha256").update(canonicalText(value)).digest();
}

/** Strings with lone surrogates have no canonical form; such a document is only equal to one written the same way. */
function canonicalText(value: unknown): string {
  try {
    return canonicalize(value) ?? "null";
  } catch {
    return JSON.stringify(value) ?? "null";
  }
}
