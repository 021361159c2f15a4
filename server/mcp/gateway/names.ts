import { sha256 } from "../catalogue/canonical.ts";

/**
 * How things of many servers are named where they are served as one. Names are computed from the server's name and the
 * thing's own, and from nothing else, so that they never depend on what else is registered: no registration can take a
 * name over, and no name changes when another one comes or goes.
 *
 *   everything + echo                    → everything__echo
 *   a__b       + echo (ambiguous name)   → aZZb__echo
 *   files      + "read/it" (odd name)    → files__read_it.<16 digits of its hash>
 */
const LONGEST = 128;
const SEPARATOR = "__";

/** Servers' names have no capitals, so a name with some can be no other server's. */
const prefixOf = (server: string): string => (isPlain(server) ? server : server.replaceAll("_", "Z"));
/** Whether the first `__` after the name is certainly the separator. */
const isPlain = (server: string): boolean => !server.includes(SEPARATOR) && !server.endsWith("_");

/** The characters that the specification recommends, without those of our own hashes at the end. */
const PORTABLE = /^(?!.*\.[0-9a-f]{16}$)[A-Za-z0-9_.-]+$/;

/** At most 128 of the characters that the specification recommends. */
export function exposedName(server: string, own: string): string {
  const prefix = prefixOf(server) + SEPARATOR;
  if (prefix.length + own.length <= LONGEST && PORTABLE.test(own)) return prefix + own;
  const hash = `.${sha256(own).slice(0, 16)}`;
  return prefix + own.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, LONGEST - prefix.length - hash.length) + hash;
}

/** Which server a name belongs to, and what is left of the name; undefined for what `exposedName` never makes. */
export function splitName(name: string): { server: string; rest: string } | undefined {
  const at = name.indexOf(SEPARATOR);
  if (at <= 0) return undefined;
  const server = name.slice(0, at).replaceAll("Z", "_");
  return { server, rest: name.slice(at + SEPARATOR.length) };
}

const SCHEME = "auterity:";

/** Also of a URI template: what follows the server's name is as the server wrote it. */
export const exposedUri = (server: string, own: string): string => `${SCHEME}${server}/${own}`;

export function splitUri(uri: string): { server: string; own: string } | undefined {
  const at = uri.indexOf("/");
  if (!uri.startsWith(SCHEME) || at < 0) return undefined;
  return { server: uri.slice(SCHEME.length, at), own: uri.slice(at + 1) };
}
