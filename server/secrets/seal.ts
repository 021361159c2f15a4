import { createCipheriv, createDecipheriv, randomFillSync, type KeyObject } from "node:crypto";

/**
 * AES-256-GCM with a random 96-bit nonce: `nonce ‖ tag ‖ ciphertext`. Random nonces are safe for about 2^32 values under
 * one key; a tenant that comes near that needs a new key version. `aad` is bound in without being stored: the same bytes
 * in another row, table or tenant do not open.
 */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SEAL_BYTES = NONCE_BYTES + TAG_BYTES;

export function seal(key: KeyObject, plain: Buffer, aad: string): Buffer {
  const out = Buffer.allocUnsafe(SEAL_BYTES + plain.length);
  randomFillSync(out, 0, NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, out.subarray(0, NONCE_BYTES));
  cipher.setAAD(Buffer.from(aad));
  const body = cipher.update(plain);
  cipher.final();
  cipher.getAuthTag().copy(out, NONCE_BYTES);
  body.copy(out, SEAL_BYTES);
  return out;
}

/** Undefined when the bytes, the key or `aad` are not those they were sealed with. */
export function unseal(key: KeyObject, sealed: Buffer, aad: string): Buffer | undefined {
  if (sealed.length < SEAL_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(aad));
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, SEAL_BYTES));
  const plain = decipher.update(sealed.subarray(SEAL_BYTES));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

/** The text form `v1:<keyId>:<base64>`, for columns that people may look at. */
export const toSealedText = (keyId: string, sealed: Buffer): string => `v1:${keyId}:${sealed.toString("base64")}`;

export function fromSealedText(text: string): { keyId: string; sealed: Buffer } | undefined {
  const [version, keyId, body, ...rest] = text.split(":");
  if (version !== "v1" || keyId === undefined || body === undefined || rest.length > 0) return undefined;
  return { keyId, sealed: Buffer.from(body, "base64") };
}
