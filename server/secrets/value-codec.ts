import type { Json } from "#contract/common.ts";
import { parseJson } from "#contract/parse-json.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { ValueCodec } from "#server/kernel/ports.ts";
import type { Keyring, TenantKey } from "./keyring.ts";
import { seal, unseal } from "./seal.ts";

/** First byte of every stored value. Plain: UTF-8 JSON follows. Sealed: 16 bytes of key id, then nonce, tag and ciphertext. */
const PLAIN = 0x00;
const SEALED = 0x01;
const HEADER_BYTES = 17;

type At = { tenantId: string; row: string };

/**
 * JSON text, not jsonb: `\u0000` and lone surrogates survive, since `JSON.stringify` escapes both. What is sealed is bound
 * to tenant, row, format and key, so the bytes of one row do not open in another.
 */
export function createValueCodec(keyring: Keyring): ValueCodec {
  const encodeText: ValueCodec["encodeText"] = (text, { tenantId, row, confidential }) =>
    confidential ? encodeSealed(keyring.current(tenantId), text, { tenantId, row }) : encodePlain(text);
  return {
    encode: (value, at) => encodeText(JSON.stringify(value), at),
    encodeText,
    decode: (bytes, at) => {
      if (bytes[0] === PLAIN) return parse(bytes.toString("utf8", 1), at);
      if (bytes[0] === SEALED && bytes.length > HEADER_BYTES) return parse(openSealed(keyring, bytes, at), at);
      throw changed(at, "it does not begin like a stored value");
    },
    prepare: (tenantId) => keyring.prepare(tenantId),
  };
}

function encodePlain(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const out = Buffer.allocUnsafe(length + 1);
  out[0] = PLAIN;
  out.write(text, 1, "utf8");
  return out;
}

function encodeSealed({ id, key }: TenantKey, text: string, at: At): Buffer {
  const header = Buffer.concat([Buffer.of(SEALED), Buffer.from(id.replaceAll("-", ""), "hex")]);
  return Buffer.concat([header, seal(key, Buffer.from(text), aad(at, id))]);
}

function openSealed(keyring: Keyring, bytes: Buffer, at: At): string {
  const keyId = uuidText(bytes.toString("hex", 1, HEADER_BYTES));
  const key = keyring.find(at.tenantId, keyId);
  if (!key) throw changed(at, `its key ${keyId} is not one of the tenant's loaded keys`);
  const plain = unseal(key, bytes.subarray(HEADER_BYTES), aad(at, keyId));
  if (!plain) throw changed(at, "its bytes were changed or belong to another row");
  return plain.toString("utf8");
}

function parse(text: string, at: At): Json {
  try {
    return parseJson(text);
  } catch {
    throw changed(at, "it is not JSON");
  }
}

const aad = ({ tenantId, row }: At, keyId: string): string => JSON.stringify(["v1", tenantId, row, keyId]);
const uuidText = (hex: string): string => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
const changed = ({ row }: At, why: string): AppError => new AppError("internal", `The stored value of ${row} cannot be read: ${why}.`);
