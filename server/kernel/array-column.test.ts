import fc from "fast-check";
import { expect, test } from "vitest";
import { ArrayColumn, uuidBytes } from "./array-column.ts";

/** What PostgreSQL would read, as it is laid out in its source: dimensions, nulls, type, count, first index, then length and bytes. */
function read(bytes: Buffer): (Buffer | null)[] {
  if (bytes.readInt32BE(0) === 0) return [];
  const found: (Buffer | null)[] = [];
  let at = 20;
  for (let i = 0; i < bytes.readInt32BE(12); i += 1) {
    const length = bytes.readInt32BE(at);
    at += 4 + Math.max(length, 0);
    found.push(length < 0 ? null : Buffer.from(bytes.subarray(at - length, at)));
  }
  expect(at).toBe(bytes.length);
  expect(bytes.readInt32BE(4)).toBe(found.includes(null) ? 1 : 0);
  return found;
}

const text = fc.option(fc.string({ unit: "binary", maxLength: 80 }));
const bytes = fc.option(fc.uint8Array({ maxLength: 80 }));

test("whatever is put in comes out, also when the column is used again", () => {
  const texts = new ArrayColumn("text", 8);
  const byteas = new ArrayColumn("bytea", 8);
  fc.assert(
    fc.property(fc.array(text), fc.array(bytes), (someTexts, someBytes) => {
      texts.clear();
      byteas.clear();
      for (const value of someTexts) texts.text(value);
      for (const value of someBytes) byteas.bytes(value);
      expect(read(texts.toBuffer())).toEqual(someTexts.map((value) => (value === null ? null : Buffer.from(value))));
      expect(read(byteas.toBuffer())).toEqual(someBytes.map((value) => (value === null ? null : Buffer.from(value))));
    }),
  );
});

test("whole numbers keep their sign and size", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.array(fc.maxSafeInteger()), (small, large) => {
      const int4 = new ArrayColumn("int4");
      const int8 = new ArrayColumn("int8");
      for (const value of small) int4.int4(value);
      for (const value of large) int8.int8(value);
      expect(read(int4.toBuffer()).map((value) => value?.readInt32BE(0))).toEqual(small);
      expect(read(int8.toBuffer()).map((value) => Number(value?.readBigInt64BE(0)))).toEqual(large);
    }),
  );
});

test("a UUID is its sixteen bytes, however its letters are written", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.uuid())), (ids) => {
      const column = new ArrayColumn("uuid");
      for (const id of ids) column.uuid(id);
      expect(read(column.toBuffer())).toEqual(ids.map((id) => (id === null ? null : uuidBytes(id))));
      column.clear();
      for (const id of ids) column.uuid(id?.toUpperCase() ?? null);
      expect(read(column.toBuffer())).toEqual(ids.map((id) => (id === null ? null : uuidBytes(id))));
    }),
  );
});
