import { ConnectionFailure } from "./connection-failure.ts";
import { findCode } from "./error-causes.ts";

const REFUSED = new Set(["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "EPIPE", "UND_ERR_SOCKET"]);
const UNKNOWN_NAME = new Set(["ENOTFOUND", "EAI_AGAIN", "EAI_NODATA", "EAI_NONAME", "EAI_FAIL"]);
const TOO_LATE = new Set(["ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"]);

const EXPIRED = {
  said: "is expired",
  likelyCause: "The server's certificate was not renewed, or the clock of one of the two machines is wrong.",
  remedy: "Renew the server's certificate, and check both clocks.",
};
const UNKNOWN_ISSUER = {
  said: "is signed by an authority that this machine does not know",
  likelyCause: "The authority is a private one, or the server does not send its intermediate certificates.",
  remedy: "Let the server send its whole chain; for an authority of your own, start the platform with NODE_EXTRA_CA_CERTS.",
};
const SELF_SIGNED = {
  said: "is self-signed",
  likelyCause: "The server made its certificate itself, so that anybody could have made it.",
  remedy: "Use a certificate of a known authority; for one of your own, start the platform with NODE_EXTRA_CA_CERTS.",
};
const CERTIFICATE: Readonly<Record<string, typeof EXPIRED>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: SELF_SIGNED,
  SELF_SIGNED_CERT_IN_CHAIN: SELF_SIGNED,
  CERT_HAS_EXPIRED: EXPIRED,
  CERT_NOT_YET_VALID: { ...EXPIRED, said: "is not valid yet", remedy: "Check the clocks of both machines." },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    said: "is for another host name",
    likelyCause: "The address names the server by another name than its certificate does.",
    remedy: "Use the name that the certificate is for, or get a certificate for this one.",
  },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_ISSUER,
};
const NO_TLS = {
  likelyCause: "The port speaks plain HTTP, or a version of TLS that is too old.",
  remedy: "Use http:// if the server has no TLS, or let it speak TLS 1.2 or later.",
};

/** The class of what kept a socket from opening or tore it down. Undefined when it was something else. */
export function networkFailure(thrown: unknown): ConnectionFailure | undefined {
  return nameFailure(thrown) ?? tlsFailure(thrown) ?? socketFailure(thrown);
}

function nameFailure(thrown: unknown): ConnectionFailure | undefined {
  const found = findCode(thrown, (code) => UNKNOWN_NAME.has(code));
  if (!found) return undefined;
  const evidence = { error: found.message };
  return new ConnectionFailure("mcp_dns_failed", `The host name cannot be resolved: ${found.message}`, {
    cause: thrown,
    retryable: true,
    evidence,
  });
}

function tlsFailure(thrown: unknown): ConnectionFailure | undefined {
  const found = findCode(thrown, (code) => Object.hasOwn(CERTIFICATE, code) || code.startsWith("ERR_SSL_") || code === "EPROTO");
  if (!found) return undefined;
  const certificate = CERTIFICATE[found.code];
  const { likelyCause, remedy } = certificate ?? NO_TLS;
  const message = certificate
    ? `The server's certificate ${certificate.said} (${found.code}).`
    : `TLS could not be agreed on: ${found.message}`;
  return new ConnectionFailure("mcp_tls_failed", message, { cause: thrown, likelyCause, remedy, evidence: { error: found.message } });
}

function socketFailure(thrown: unknown): ConnectionFailure | undefined {
  const late = findCode(thrown, (code) => TOO_LATE.has(code));
  if (late) {
    const evidence = { error: late.message };
    return new ConnectionFailure("mcp_timeout", `The connection was not opened in time: ${late.message}`, {
      cause: thrown,
      retryable: true,
      evidence,
    });
  }
  const refused = findCode(thrown, (code) => REFUSED.has(code));
  if (!refused) return undefined;
  const options = { cause: thrown, retryable: true, evidence: { error: refused.message } };
  return new ConnectionFailure("mcp_connection_refused", `Nothing answers at the address: ${refused.message}`, options);
}

const GONE = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);

/** Whether nobody listens any more, so that nothing was sent; a socket that broke was only one of several. */
export const isGone = (thrown: unknown): boolean => findCode(thrown, (code) => GONE.has(code)) !== undefined;
/** Whether a socket broke. */
export const isBroken = (thrown: unknown): boolean => networkFailure(thrown)?.code === "mcp_connection_refused";
