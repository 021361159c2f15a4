import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Verification } from "#contract/triggers.ts";
import { AppError } from "#server/kernel/errors.ts";

/** What listeners send and webhooks expect, unless they say otherwise. */
const TIMESTAMP_HEADER = "x-auterity-timestamp";
const SIGNATURE_HEADER = "x-auterity-signature";
const DELIVERY_HEADER = "x-auterity-delivery";

/** Headers by their names in lower case. */
export type Headers = Readonly<Record<string, unknown>>;
type Received = { headers: Headers; body: Uint8Array; nowMs: number };
/** `signature` is what was proved; null where the sender only shows a token. */
export type Proof = { signature: Buffer | null };

export const newSecret = (): string => `awh_${randomBytes(32).toString("base64url")}`;

/** The platform's own scheme. `timestamp` is in seconds. */
export function signedHeaders(body: string, { secret, timestamp, delivery }: { secret: string; timestamp: number; delivery: string }) {
  const signature = hmac(secret, Buffer.from(body), String(timestamp)).toString("hex");
  return { [TIMESTAMP_HEADER]: String(timestamp), [SIGNATURE_HEADER]: `v1=${signature}`, [DELIVERY_HEADER]: delivery };
}

/** Throws `webhook_signature_invalid`, or `webhook_replayed` for what was signed too long ago. Compares in constant time. */
export function prove(verification: Verification, secret: string, received: Received): Proof {
  if (verification.kind === "token") return proveToken(verification.header, secret, received);
  const { header, prefix, encoding, timestampHeader, toleranceSeconds } = verification;
  const given = textOf(received.headers, header);
  if (given === undefined || !given.startsWith(prefix)) {
    throw invalid(`Expected the signature in the header ${header}${prefix === "" ? "" : `, after ${JSON.stringify(prefix)}`}.`);
  }
  const timestamp = timestampHeader === null ? undefined : (textOf(received.headers, timestampHeader) ?? "");
  if (timestamp !== undefined && !/^\d{1,15}$/.test(timestamp)) {
    throw invalid(`Expected the time of signing in the header ${timestampHeader ?? ""}, in seconds since 1970.`);
  }
  const expected = hmac(secret, received.body, timestamp);
  if (!isEqual(Buffer.from(given.slice(prefix.length), encoding), expected)) throw invalid("The signature does not fit the body.");
  if (timestamp !== undefined) requireFresh(timestamp, toleranceSeconds, received.nowMs);
  return { signature: expected };
}

function proveToken(header: string, secret: string, { headers }: Received): Proof {
  const given = textOf(headers, header)?.replace(/^Bearer /, "") ?? "";
  if (!isEqual(digest(given), digest(secret))) throw invalid(`Expected the webhook's token in the header ${header}.`);
  return { signature: null };
}

/** Milliseconds are understood too, for senders that sign the same body many times a second. */
function requireFresh(timestamp: string, toleranceSeconds: number, nowMs: number): void {
  const sentMs = timestamp.length > 11 ? Number(timestamp) : Number(timestamp) * 1_000;
  const offSeconds = Math.round((nowMs - sentMs) / 1_000);
  if (Math.abs(offSeconds) <= toleranceSeconds) return;
  const when = offSeconds > 0 ? `${offSeconds} s ago` : `${-offSeconds} s ahead of this server's clock`;
  throw new AppError("webhook_replayed", `This was signed ${when}; at most ${toleranceSeconds} s are accepted.`);
}

function hmac(secret: string, body: Uint8Array, timestamp?: string): Buffer {
  const mac = createHmac("sha256", secret);
  if (timestamp !== undefined) mac.update(`${timestamp}.`);
  return mac.update(body).digest();
}

export const digest = (content: string | Uint8Array): Buffer => createHash("sha256").update(content).digest();
const isEqual = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);
const invalid = (message: string): AppError => new AppError("webhook_signature_invalid", message);

/** A header that was sent exactly once. */
export function textOf(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}
