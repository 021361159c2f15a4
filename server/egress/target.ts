import { isIP } from "node:net";
import { EgressDenied } from "./denied.ts";
import { UNFETCHABLE_PORTS } from "./ports.ts";

/** Where a URL leads: `host` as the URL parser writes it, IPv6 without brackets. */
export type Target = { url: URL; host: string; port: number };

/**
 * Refuses what no honest address needs: other schemes, credentials in the URL, a host name that ends with a dot (another
 * spelling of the same host), IPv4 addresses in octal, hexadecimal, decimal or shortened form, and ports of other protocols.
 */
export function parseTarget(input: string | URL): Target {
  const url = typeof input === "string" ? parse(input) : input;
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw refuse(`${url.protocol} addresses are not opened, only http and https.`, url.protocol);
  if (url.username !== "" || url.password !== "") throw refuse("An address must not contain a user name or password.", url.host);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (host === "" || host.endsWith(".")) throw refuse("The host of an address must not be empty or end with a dot.", url.host);
  if (typeof input === "string" && isIP(host) === 4 && writtenHost(input) !== host) {
    throw refuse("An IPv4 address must be written as four decimal numbers.", url.host);
  }
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  if (UNFETCHABLE_PORTS.has(port)) {
    throw new EgressDenied(`Port ${port} belongs to another protocol; nothing is called there.`, {
      reason: "port_not_allowed",
      at: url.host,
    });
  }
  return { url, host, port };
}

/** A host and a port that come without a URL, IPv6 without brackets. Refuses what `parseTarget` refuses. */
export function plainTarget({ host, port }: { host: string; port: number }): { host: string; port: number } {
  const parsed = parseTarget(`http://${isIP(host) === 6 ? `[${host}]` : host}:${port}/`);
  if (parsed.host === host && parsed.port === port) return { host, port };
  throw refuse("A host and its port must be written plainly, and in lower case.", parsed.url.host);
}

export const isLiteral = (host: string): boolean => isIP(host) !== 0;

/** The host as it was written, before the URL parser made it canonical. */
const writtenHost = (input: string): string | undefined => /^\s*[a-z]+:[/\\]*([^/\\?#:]+)/i.exec(input)?.[1];

function parse(input: string): URL {
  const url = URL.parse(input);
  if (!url) throw refuse("The address is not a URL.");
  return url;
}

const refuse = (message: string, at = "unknown"): EgressDenied =>
  new EgressDenied(message, {
    reason: "address_malformed",
    at,
    remedy: "Write the address as http:// or https:// with a plain host name or address.",
  });
