import { createSecretKey, randomBytes, randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { parseJson } from "#contract/parse-json.ts";
import type { Keyring, TenantKey } from "./keyring.ts";
import { fromSealedText, seal, toSealedText, unseal } from "./seal.ts";
import { createValueCodec } from "./value-codec.ts";

const newKey = (): TenantKey => ({ id: randomUUID(), key: createSecretKey(randomBytes(32)) });

function memoryKeyring(keys: Record<string, TenantKey[]>): Keyring {
  return {
    prepare: async () => {},
    current: (tenantId) => keys[tenantId]?.at(-1) ?? newKey(),
    find: (tenantId, keyId) => keys[tenantId]?.find(({ id }) => id === keyId)?.key,
    deriveSecret: () => Buffer.alloc(32),
  };
}

const keys = { a: [newKey(), newKey()], b: [newKey()] };
const codec = createValueCodec(memoryKeyring(keys));
const at = { tenantId: "a", row: "run_journal:r1:7" };
const unreadable = expect.objectContaining({ code: "internal", message: expect.stringContaining(at.row) });
const attempt = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe("the value codec", () => {
  test.each([false, true])("gives back any JSON (confidential: %s)", (confidential) => {
    const returns = fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      return JSON.stringify(codec.decode(codec.encode(parseJson(text), { ...at, confidential }), at)) === text;
    });
    expect(() => fc.assert(returns)).not.toThrow();
  });

  test.each(["\u0000", "half \ud800 a pair", "\udfff", "🚗 ключ", "__proto__"])("keeps the string %j", (text) => {
    for (const confidential of [false, true]) expect(codec.decode(codec.encode(text, { ...at, confidential }), at)).toBe(text);
  });

  test("keeps names apart that the machine's own parser confuses", () => {
    const values: Json[] = [
      { x: "", "x\\": 1 },
      { x: "", 'x"': 0 },
    ];
    for (const value of values) expect(codec.decode(codec.encode(value, { ...at, confidential: false }), at)).toEqual(value);
  });

  test("stores plain values as JSON behind one byte", () => {
    expect(codec.encode({ a: 1 }, { ...at, confidential: false })).toEqual(Buffer.from('\0{"a":1}'));
  });

  test("encrypts the same value differently every time", () => {
    const once = codec.encode("same", { ...at, confidential: true });
    expect(once.includes("same")).toBe(false);
    expect(codec.encode("same", { ...at, confidential: true })).not.toEqual(once);
  });

  test("notices every flipped bit", () => {
    const bytes = codec.encode({ amount: 100 }, { ...at, confidential: true });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(attempt(() => codec.decode(flipped, at))).toEqual(unreadable);
    }
  });

  test("notices every lost byte", () => {
    const bytes = codec.encode("x", { ...at, confidential: true });
    for (let length = 0; length < bytes.length; length++) {
      expect(attempt(() => codec.decode(bytes.subarray(0, length), at))).toEqual(unreadable);
    }
  });

  test("does not open the bytes of another row or tenant", () => {
    const bytes = codec.encode("mine", { ...at, confidential: true });
    expect(() => codec.decode(bytes, { ...at, row: "run_journal:r1:8" })).toThrow(/another row/);
    expect(() => codec.decode(bytes, { ...at, tenantId: "b" })).toThrow(/not one of the tenant's/);
  });

  test("opens what an older key of the tenant had sealed", () => {
    const before = createValueCodec(memoryKeyring({ a: keys.a.slice(0, 1) })).encode("old", { ...at, confidential: true });
    expect(codec.decode(before, at)).toBe("old");
  });

  test("calls plain bytes that are not JSON by their row", () => {
    expect(() => codec.decode(Buffer.from("\0{"), at)).toThrow(/not JSON/);
    expect(() => codec.decode(Buffer.from([7, 7]), at)).toThrow(/does not begin/);
  });
});

describe("sealing", () => {
  const { key } = newKey();

  test("binds the words it was sealed with", () => {
    const sealed = seal(key, Buffer.from("value"), "row 1");
    expect(unseal(key, sealed, "row 1")?.toString()).toBe("value");
    expect(unseal(key, sealed, "row 2")).toBeUndefined();
    expect(unseal(newKey().key, sealed, "row 1")).toBeUndefined();
  });

  test("reads its text form and nothing else", () => {
    const sealed = seal(key, Buffer.from("value"), "");
    expect(fromSealedText(toSealedText("k1", sealed))).toEqual({ keyId: "k1", sealed });
    for (const text of ["", "v1", "v1:k1", "v2:k1:AAAA", "v1:k1:AA:BB"]) expect(fromSealedText(text)).toBeUndefined();
  });
});
