import { isIP } from "node:net";
import { classifyAddress } from "./address.ts";
import { EgressDenied } from "./denied.ts";
import { SERVICE_PORTS } from "./ports.ts";
import type { Reach } from "./rules.ts";
import { isLiteral } from "./target.ts";

export type Address = { address: string; family: number };
/** All addresses of a name; rejects like `dns.lookup` when there are none. */
export type Lookup = (host: string) => Promise<readonly Address[]>;

/** Names that mean a machine nearby, even while they do not resolve: `gpu-box`, `llm.lan`. */
const NEARBY = /^[^.]+$|\.(localhost|local|lan|home|internal|intranet|test|home\.arpa)$/i;

export type Destination = { host: string; port: number; findRule: () => Promise<Reach | undefined> };

/**
 * The addresses to which a socket may be opened, at the moment of opening it: the name is resolved here and the socket goes
 * to exactly these addresses, so that an answer that changes afterwards changes nothing. Of a name with mixed answers only
 * the permitted ones remain. Throws `egress_denied` when none does.
 */
export async function admit({ host, port, findRule }: Destination, lookup: Lookup): Promise<readonly Address[]> {
  const found = await resolve(host, lookup);
  const classes = found.map((address) => ({ address, kind: classifyAddress(address.address) }));
  const open = SERVICE_PORTS.has(port) ? [] : classes.filter(({ kind }) => kind === "public");
  if (open.length > 0) return open.map(({ address }) => address);
  const rule = await findRule();
  const permitted = classes.filter(({ kind }) => (kind === "public" && rule !== undefined) || (kind === "private" && rule === "private"));
  if (permitted.length > 0) return permitted.map(({ address }) => address);
  throw denied({ host, port }, classes.some(({ kind }) => kind === "public") ? "port_not_allowed" : "address_not_allowed");
}

function denied({ host, port }: { host: string; port: number }, reason: "address_not_allowed" | "port_not_allowed"): EgressDenied {
  const why = reason === "port_not_allowed" ? "this port of it is not open to calls" : "it leads into a private or reserved network";
  return new EgressDenied(`${host}:${port} may not be called: ${why}, and no owner has allowed it.`, { reason, at: `${host}:${port}` });
}

/**
 * What a registration of this target should open. Throws `egress_denied` for addresses that no registration opens. A name
 * that does not resolve now counts as public unless it means a machine nearby.
 */
export async function reachOf(host: string, lookup: Lookup): Promise<Reach> {
  const found = await resolve(host, lookup).catch(() => []);
  const kinds = found.map(({ address }) => classifyAddress(address));
  if (kinds.includes("private")) return "private";
  if (kinds.includes("public")) return "public";
  if (kinds.length === 0) return NEARBY.test(host) ? "private" : "public";
  throw new EgressDenied(`${host} is a reserved address that cannot be allowed.`, {
    reason: "address_not_allowed",
    at: host,
    remedy: "Use the address of the server itself; for a server on this machine, 127.0.0.1 or localhost.",
  });
}

const resolve = async (host: string, lookup: Lookup): Promise<readonly Address[]> =>
  isLiteral(host) ? [{ address: host, family: isIP(host) }] : lookup(host);
