import { readAllowedHost } from "#contract/mcp/confinement.ts";

/** `host` as URLs have it, but IPv6 without brackets. */
export type Target = { host: string; port: number };

const DEFAULT_PORTS: ReadonlySet<number> = new Set([80, 443]);

/** Whether a list of hosts, as a sandbox has it, has this target on it. */
export function allowList(hosts: readonly string[]): (target: Target) => boolean {
  const allowed = hosts.map(readAllowedHost).filter((entry) => entry !== undefined);
  return ({ host, port }) => {
    const name = bracketed(host);
    return allowed.some((entry) => {
      const isPort = entry.port === undefined ? DEFAULT_PORTS.has(port) : entry.port === port;
      return isPort && (entry.isBelow ? name.endsWith(`.${entry.name}`) : name === entry.name);
    });
  };
}

/** What CONNECT names: always with a port. */
export function tunnelTarget(authority: string): Target | undefined {
  if (!/^[^\s/\\?#@]+:\d{1,5}$/.test(authority)) return undefined;
  const url = URL.parse(`http://${authority}/`);
  return url === null ? undefined : urlTarget(url);
}

/** Where an address of `http:` leads; undefined for any other. */
export function urlTarget({ protocol, hostname, port }: URL): Target | undefined {
  if (protocol !== "http:" || hostname === "") return undefined;
  return { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: port === "" ? 80 : Number(port) };
}

export const written = ({ host, port }: Target): string => `${bracketed(host)}:${port}`;

const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);
