import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";

/**
 * Addresses of resources. The platform opens none of them: each is passed to the very server whose resource it is said to be,
 * and only there. What could make a server hand out what it does not offer is refused before it gets there.
 */
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]{0,63}:/;
const UNFIT = /[\p{Cc}\s<>"{}|\\^`]/u;
/** How often something may have been encoded before it counts as what it says. */
const LAYERS = 3;

export const isFile = (uri: string): boolean => /^file:/i.test(uri);

/** `isOffered`: the server lists this very address, or a template of files that could become it. Throws `mcp_uri_refused`. */
export function checkUri(uri: string, { isOffered }: { isOffered: boolean }): void {
  if (uri.length > LIMITS.mcpUriChars) throw refused(`it is longer than ${LIMITS.mcpUriChars} characters`);
  if (!uri.isWellFormed()) throw refused("it is not well-formed Unicode");
  if (UNFIT.test(uri)) throw refused("it holds characters that no address has");
  if (!SCHEME.test(uri)) throw refused("expected an absolute address, with a scheme");
  if (climbs(uri)) throw refused("it climbs out of a folder (`..`)");
  if (!isOffered && isFile(uri)) throw refused("the server does not list this file");
}

/** Whether a segment is `..`, however it is written. */
function climbs(uri: string): boolean {
  let text = uri;
  for (let layer = 0; layer <= LAYERS; layer += 1) {
    if (text.split(/[/\\?#:;=&,]/).some((segment) => segment === "..")) return true;
    const decoded = text.replace(/%(2e|2f|5c|25)/gi, (_match, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    if (decoded === text) return false;
    text = decoded;
  }
  return true;
}

const refused = (why: string): AppError => new AppError("mcp_uri_refused", `This address is not passed to the server: ${why}.`);
