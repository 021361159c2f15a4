import type { Json } from "#contract/common.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import { secretForms } from "./secret-forms.ts";
import { SecretMatcher } from "./secret-matcher.ts";

export const REDACTED = "[redacted]";

/** Headers whose value is a credential whatever it says. */
const SECRET_HEADERS = new Set(["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key"]);

/**
 * Knows the secrets that this process has used or stored, of all tenants, and nothing else: a value that lies in the vault
 * untouched has not been decrypted here, so it cannot have left from here either. From its first use on, every form of it
 * is removed, also from texts that are older. Known values are never forgotten, not even when the secret is replaced:
 * the old one may still be on its way through a queue.
 */
export type TrackingRedactor = Redactor & {
  track(value: string): void;
  /** The same headers with credentials replaced, by name and by value. */
  redactHeaders(headers: Readonly<Record<string, string>>): Record<string, string>;
};

export function createRedactor(): TrackingRedactor {
  const tracked = new Set<string>();
  const matcher = new SecretMatcher();
  const text = (value: string): string => (matcher.size === 0 ? value : matcher.replace(value, REDACTED));

  const walk = (value: Json): Json => {
    if (typeof value === "string") return text(value);
    if (typeof value !== "object" || value === null) return value;
    return Array.isArray(value) ? walkList(value) : walkObject(value);
  };
  // Plain loops: this runs over everything that is journaled.
  const walkList = (list: Json[]): Json[] => {
    let copy: Json[] | undefined;
    let i = 0;
    for (const item of list) {
      const next = walk(item);
      if (next !== item) (copy ??= [...list])[i] = next;
      i += 1;
    }
    return copy ?? list;
  };
  const walkObject = (object: { [key: string]: Json }): { [key: string]: Json } => {
    let entries: [string, Json][] | undefined;
    let i = 0;
    for (const key of Object.keys(object)) {
      const item = object[key] ?? null;
      const newKey = text(key);
      const next = walk(item);
      if (entries === undefined && (newKey !== key || next !== item)) entries = Object.entries(object).slice(0, i);
      entries?.push([newKey, next]);
      i += 1;
    }
    // `fromEntries` defines its properties, so that a key `__proto__` stays a key.
    return entries ? Object.fromEntries(entries) : object;
  };

  function json<T extends Json>(value: T): T;
  function json(value: Json): Json {
    return matcher.size === 0 ? value : walk(value);
  }
  return {
    text,
    json,
    track: (value) => {
      if (tracked.has(value)) return;
      tracked.add(value);
      for (const form of secretForms(value)) matcher.add(form);
    },
    redactHeaders: (headers) =>
      Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, SECRET_HEADERS.has(name.toLowerCase()) ? REDACTED : text(value)]),
      ),
  };
}
