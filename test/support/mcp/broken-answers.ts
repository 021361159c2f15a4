/**
 * Answers to a tool call that break the rules for messages, each as its name says: what stands where one message should. Lines, documents
 * and events around them are the business of the servers that send them, `chaos-server.ts` over stdio and `chaos-http-server.ts`.
 */
export type Id = string | number;

export const text = (value: string): object => ({ content: [{ type: "text", text: value }] });
const message = (parts: object): string => JSON.stringify({ jsonrpc: "2.0", ...parts });
const whole = (id: Id): string => message({ id, result: text("ok") });
const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;

export const BROKEN_ANSWERS: Record<string, (id: Id) => string | Buffer> = {
  not_json: () => "this is no JSON",
  truncated: (id) => whole(id).slice(0, -10),
  array_batch: (id) => `[${whole(id)}]`,
  two_on_a_line: (id) => `${whole(id)}${whole(id)}`,
  newline_inside: (id) => whole(id).replace('"ok"', '"o\nk"'),
  byte_order_mark: (id) => `\uFEFF${whole(id)}`,
  utf_16: (id) => Buffer.from(whole(id), "utf16le"),
  raw_nul: (id) => whole(id).replace("ok", "o\0k"),
  lone_surrogate: (id) => whole(id).replace("ok", String.raw`\ud800`),
  escaped_nul: (id) => whole(id).replace("ok", String.raw`\u0000`),
  too_deep: (id) => `{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":${deep}}}`,
  version_1: (id) => whole(id).replace('"2.0"', '"1.0"'),
  no_version: (id) => whole(id).replace('"jsonrpc":"2.0",', ""),
  id_null: () => message({ id: null, result: text("for nobody") }),
  id_object: (id) => message({ id: { id }, result: text("for nobody") }),
  id_float: (id) => message({ id: Number(id) + 0.5, result: text("for nobody") }),
  id_beyond: () => '{"jsonrpc":"2.0","id":9007199254740993,"result":{"content":[]}}',
  id_as_string: (id) => message({ id: String(id), result: text("for nobody") }),
  id_of_another: (id) => message({ id: Number(id) + 1_000, result: text("for nobody") }),
  long_line: (id) => message({ id, result: text("x".repeat(11 * 1024 * 1024)) }),
};

/** So much is sent of an answer that does not end. */
export const ENDLESS_MEBIBYTES = 100;
