/** Object ids of the element types, as PostgreSQL has numbered them since the beginning. */
const OID = { bytea: 17, int8: 20, int4: 23, text: 25, uuid: 2950 } as const;
const HEADER_BYTES = 20;
/** Up to this length a loop is quicker than a call into the runtime. */
const SHORT = 32;
/** A column that has grown larger does not keep its memory when it is used again. */
const KEPT_BYTES = 256 * 1024;

/**
 * One array parameter in PostgreSQL's binary format, which `pg` sends as it is when it is given a Buffer. Text format
 * would cost a hex digit pair per byte and an escaping pass per element, which is most of the work of a large batch.
 */
export class ArrayColumn {
  #bytes: Buffer;
  #end = HEADER_BYTES;
  #count = 0;
  #hasNull = false;
  readonly #oid: number;

  constructor(type: keyof typeof OID, expectedBytes = 4_096) {
    this.#oid = OID[type];
    this.#bytes = Buffer.allocUnsafe(HEADER_BYTES + expectedBytes);
  }

  /** Begins anew. What `toBuffer` has returned before is not valid any more. */
  clear(): void {
    this.#end = HEADER_BYTES;
    this.#count = 0;
    this.#hasNull = false;
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafe(KEPT_BYTES);
  }

  int4(value: number): void {
    this.#reserve(8);
    this.#int(4, this.#end);
    this.#int(value, this.#end + 4);
    this.#finish(8);
  }

  /** A safe integer. */
  int8(value: number): void {
    this.#reserve(12);
    this.#int(8, this.#end);
    this.#int(Math.floor(value / 2 ** 32), this.#end + 4);
    this.#int(value % 2 ** 32, this.#end + 8);
    this.#finish(12);
  }

  /** A `uuid` by its text. */
  uuid(value: string | null): void {
    if (value === null) {
      this.null();
      return;
    }
    this.#reserve(20);
    this.#int(16, this.#end);
    let at = this.#end + 4;
    for (let i = 0; i < value.length; i += 1) {
      const high = value.charCodeAt(i);
      if (high === HYPHEN) continue;
      i += 1;
      this.#bytes[at] = (nibble(high) << 4) | nibble(value.charCodeAt(i));
      at += 1;
    }
    this.#finish(20);
  }

  /** A `bytea`, or the 16 bytes of a `uuid`. */
  bytes(value: Uint8Array | null): void {
    if (value === null) {
      this.null();
      return;
    }
    const { length } = value;
    this.#reserve(4 + length);
    this.#int(length, this.#end);
    const at = this.#end + 4;
    if (length > SHORT) this.#bytes.set(value, at);
    else for (let i = 0; i < length; i += 1) this.#bytes[at + i] = value[i] ?? 0;
    this.#finish(4 + length);
  }

  text(value: string | null): void {
    if (value === null) {
      this.null();
      return;
    }
    // A UTF-16 unit needs at most three bytes in UTF-8.
    this.#reserve(4 + value.length * 3);
    const at = this.#end + 4;
    const written = (value.length <= SHORT && this.#ascii(value, at)) || this.#bytes.write(value, at, "utf8");
    this.#int(written, this.#end);
    this.#finish(4 + written);
  }

  null(): void {
    this.#reserve(4);
    this.#int(-1, this.#end);
    this.#hasNull = true;
    this.#finish(4);
  }

  /** The parameter. The column must not be added to afterwards. */
  toBuffer(): Buffer {
    const dimensions = this.#count === 0 ? 0 : 1;
    this.#bytes.writeInt32BE(dimensions, 0);
    this.#bytes.writeInt32BE(this.#hasNull ? 1 : 0, 4);
    this.#bytes.writeInt32BE(this.#oid, 8);
    if (dimensions === 0) return this.#bytes.subarray(0, 12);
    this.#bytes.writeInt32BE(this.#count, 12);
    this.#bytes.writeInt32BE(1, 16);
    return this.#bytes.subarray(0, this.#end);
  }

  /** The text's length if it is ASCII, else 0 with nothing decided. */
  #ascii(value: string, at: number): number {
    for (let i = 0; i < value.length; i += 1) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return 0;
      this.#bytes[at + i] = code;
    }
    return value.length;
  }

  #int(value: number, at: number): void {
    this.#bytes[at] = value >> 24;
    this.#bytes[at + 1] = value >> 16;
    this.#bytes[at + 2] = value >> 8;
    this.#bytes[at + 3] = value;
  }

  #reserve(more: number): void {
    const needed = this.#end + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }

  #finish(bytes: number): void {
    this.#end += bytes;
    this.#count += 1;
  }
}

const HYPHEN = 45;
/** Of a hexadecimal digit's character code. */
const nibble = (code: number): number => (code <= 57 ? code - 48 : (code | 32) - 87);

/** The 16 bytes of a UUID's text. */
export const uuidBytes = (id: string): Buffer => Buffer.from(id.replaceAll("-", ""), "hex");
