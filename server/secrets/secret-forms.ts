/** Shorter values would match inside ordinary words and numbers and spoil everything that is stored. */
export const SHORTEST_TRACKED = 4;
/** Below this, encoded forms are too short to mean anything. */
const SHORTEST_DERIVED = 6;
/** What is shorter than this behind `Bearer` may be a word. */
const SHORTEST_CREDENTIAL = 8;
const HEADER = /^([A-Za-z][\w-]{0,63}:[ \t]+)?((?:Bearer|Basic|Token|ApiKey|Api-Key|Key)[ \t]+)?(\S+)$/i;

/**
 * The forms in which a secret may turn up in what others send us: as it is, inside JSON, URL-encoded, in hex, base64 at any
 * alignment (a secret inside `user:secret`), reversed, without the `Bearer` or the header's name before it, and each long line of a value of several lines (a PEM file).
 */
export function secretForms(value: string): string[] {
  if (value.length < SHORTEST_TRACKED) return [];
  const forms = new Set([value]);
  for (const one of [value, ...credentialIn(value)]) {
    if (one.length < SHORTEST_DERIVED) continue;
    for (const form of [one, ...textForms(one), ...urlForms(one), ...hexForms(one), ...base64Forms(one)]) forms.add(form);
  }
  return [...forms].filter((form) => form.length >= SHORTEST_TRACKED);
}

/** What a header holds behind its name and scheme: whoever refuses `Bearer abc` may well say that `abc` is wrong. */
function credentialIn(value: string): string[] {
  const [, name, scheme, credential = ""] = HEADER.exec(value) ?? [];
  return (name ?? scheme) === undefined || credential.length < SHORTEST_CREDENTIAL ? [] : [credential];
}

function textForms(value: string): string[] {
  const escaped = JSON.stringify(value).slice(1, -1);
  const lines = value.split(/\r?\n/).filter((line) => line.length >= 16 && !line.startsWith("-----"));
  return [escaped, JSON.stringify(escaped).slice(1, -1), Array.from(value).reverse().join(""), ...(value.includes("\n") ? lines : [])];
}

function urlForms(value: string): string[] {
  const component = encodeURIComponent(value.toWellFormed());
  const strict = component.replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  // What the URL parser makes of the first, when it meets it in an address.
  const parsed = component.replaceAll("'", "%27");
  const form = new URLSearchParams({ v: value }).toString().slice(2);
  return [component, strict, parsed, form].flatMap((text) => [text, text.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())]);
}

function hexForms(value: string): string[] {
  const hex = Buffer.from(value).toString("hex");
  return [hex, hex.toUpperCase()];
}

/**
 * Base64 works in groups of three bytes, so what a value looks like depends on how many bytes come before it. For each of
 * the three cases this keeps the characters that the value alone decides; a character shared with a neighbour stays visible.
 */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value);
  const cores = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  });
  const whole = bytes.toString("base64");
  return [whole, whole.replaceAll("=", ""), ...cores].flatMap((text) => [text, text.replaceAll("+", "-").replaceAll("/", "_")]);
}
