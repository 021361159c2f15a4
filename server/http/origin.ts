import type { IncomingHttpHeaders } from "node:http";
import { hostname } from "node:os";
import { isIP } from "node:net";
import { AppError } from "#server/kernel/errors.ts";

/**
 * Who may talk to this server from inside a browser.
 *
 * A page of another site can make a browser send requests here, either openly (then `Origin` names that site) or after
 * its DNS name was rebound to our address (then `Host` names it). So `Host` must be a name that we are known by, and
 * `Origin`, where present, must be exactly the origin that `Host` names. Only names are compared for `Host`: the port
 * cannot be rebound, and port forwarding changes it.
 */
export type OriginPolicy = {
  /** Throws `origin_refused`. */
  check(headers: IncomingHttpHeaders): void;
  /** For writes that a cookie authenticates: throws `origin_refused` unless the browser says that our own page sent it. */
  checkWrite(headers: IncomingHttpHeaders): void;
};

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"] as const;
const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

export function originPolicy(boundHost: string): OriginPolicy {
  const names = new Set<string>([...LOOPBACK_NAMES, inUrl(boundHost)]);
  const anyAddress = WILDCARDS.has(boundHost);
  if (anyAddress) names.add(hostname().toLowerCase());

  const isOurs = (host: string): boolean => {
    const name = hostName(host);
    // An address cannot be rebound: whoever names it has connected to it.
    return name !== undefined && (names.has(name) || (anyAddress && isIP(name.replace(/^\[|\]$/g, "")) !== 0));
  };
  return {
    check({ host, origin }) {
      if (host === undefined || !isOurs(host)) throw refused("Host", host);
      if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) throw refused("Origin", origin);
    },
    checkWrite({ origin, "sec-fetch-site": site }) {
      if (origin === undefined && site !== "same-origin") {
        throw new AppError("origin_refused", "A change made with the session cookie must come from the server's own page.");
      }
    },
  };
}

const inUrl = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host).toLowerCase();

/** The name in a `Host` header, without its port; undefined for anything that is not a plain host. */
function hostName(host: string): string | undefined {
  return /^(?<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.exec(host)?.groups?.["name"]?.toLowerCase();
}

const refused = (header: string, value: string | undefined): AppError =>
  new AppError("origin_refused", `${header} ${JSON.stringify(value?.slice(0, 100) ?? "(none)")} is not an address of this server.`);
