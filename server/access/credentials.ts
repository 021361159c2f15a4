import { hash, randomBytes } from "node:crypto";

/** 256 random bits behind a prefix that secret scanners can recognise. */
export const newToken = (): string => `aut_${randomBytes(32).toString("base64url")}`;
export const newSecret = (): string => randomBytes(32).toString("base64url");

/** What is stored and compared instead of the secret. One round is enough: the secrets are random, not chosen by people. */
export const hashOf = (secret: string): Buffer => hash("sha256", secret, "buffer");

/** What a request offers: a bearer token before a session cookie, so that one request never mixes two identities. */
export type Offered = { kind: "token" | "session"; secret: string };

const BEARER = /^Bearer ([\x21-\x7e]{16,512})$/i;
const SESSION_VALUE = /^[A-Za-z0-9_-]{43}$/;

export const SESSION_COOKIE = "auterity_session";
/** Over https the name carries a promise that browsers enforce: Secure, this host only, the whole path. */
export const SECURE_SESSION_COOKIE = `__Host-${SESSION_COOKIE}`;

export function offered({
  authorization,
  cookie,
}: {
  authorization?: string | undefined;
  cookie?: string | undefined;
}): Offered | undefined {
  if (authorization !== undefined) {
    const secret = BEARER.exec(authorization)?.[1];
    return secret === undefined ? undefined : { kind: "token", secret };
  }
  const secret = cookie === undefined ? undefined : sessionIn(cookie);
  return secret === undefined ? undefined : { kind: "session", secret };
}

function sessionIn(cookie: string): string | undefined {
  for (const part of cookie.split(";")) {
    const [name, value] = part.trim().split("=", 2);
    if ((name === SESSION_COOKIE || name === SECURE_SESSION_COOKIE) && value !== undefined && SESSION_VALUE.test(value)) return value;
  }
  return undefined;
}
