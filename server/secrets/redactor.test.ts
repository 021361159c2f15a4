import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { REDACTED, createRedactor } from "./redactor.ts";
import { secretForms } from "./secret-forms.ts";
import { SecretMatcher } from "./secret-matcher.ts";

const SECRET = `sk-cänary/7+"9\\f'(~ x`;
const redactorFor = (...values: string[]) => {
  const redactor = createRedactor();
  for (const value of values) redactor.track(value);
  return redactor;
};

describe("the redactor's text", () => {
  const { text } = redactorFor(SECRET);
  const bytes = Buffer.from(SECRET);

  test.each([
    ["as it is", SECRET],
    ["inside JSON", JSON.stringify(SECRET).slice(1, -1)],
    ["inside JSON inside JSON", JSON.stringify(JSON.stringify(SECRET)).slice(3, -3)],
    ["URL-encoded", encodeURIComponent(SECRET)],
    ["URL-encoded, as part of an address", new URL(`https://h.example/?a=${encodeURIComponent(SECRET)}`).search.slice(3)],
    ["URL-encoded in lower case", encodeURIComponent(SECRET).replaceAll(/%../g, (code) => code.toLowerCase())],
    ["as a form field", new URLSearchParams({ a: SECRET }).toString().slice(2)],
    ["base64", bytes.toString("base64")],
    ["base64 without padding", bytes.toString("base64").replaceAll("=", "")],
    ["base64url", bytes.toString("base64url")],
    ["hex", bytes.toString("hex")],
    ["upper-case hex", bytes.toString("hex").toUpperCase()],
    ["reversed", Array.from(SECRET).reverse().join("")],
  ])("removes a secret %s", (_form, written) => {
    expect(text(`before ${written} after ${written}`)).toBe(`before ${REDACTED} after ${REDACTED}`);
  });

  test.each([0, 1, 2, 3, 4, 5])("removes a secret from base64 of a longer text, %i bytes in", (before) => {
    const whole = Buffer.from(`${"u".repeat(before)}${SECRET}:rest`).toString("base64");
    expect(text(whole)).toContain(REDACTED);
    expect(Buffer.from(text(whole).replace(REDACTED, "AAAA"), "base64").toString("latin1")).not.toContain("canary");
  });

  test("gives back the same text when nothing is known or nothing is found", () => {
    expect(createRedactor().text("nothing")).toBe("nothing");
    expect(text("nothing here")).toBe("nothing here");
    expect(text("")).toBe("");
  });

  test("prefers the longest of several that begin at the same place", () => {
    const both = redactorFor("abcdef", "abcdefghijklmnopqrstuvwxyz");
    expect(both.text("abcdefghijklmnopqrstuvwxyz")).toBe(REDACTED);
    expect(both.text("abcdefghij")).toBe(`${REDACTED}ghij`);
  });

  test("tells secrets with a long common beginning apart", () => {
    const both = redactorFor("github_pat_11ABCDEFG-first", "github_pat_11ABCDEFG-second");
    expect(both.text("github_pat_11ABCDEFG-first github_pat_11ABCDEFG-second github_pat_11ABCDEFG-third")).toBe(
      `${REDACTED} ${REDACTED} github_pat_11ABCDEFG-third`,
    );
  });

  test.each(["Bearer ", "Authorization: Bearer ", "x-api-key: ", "token "])("removes what follows %j in a secret by itself", (before) => {
    const { text } = redactorFor(`${before}q9Zr7Lw2Xc5V`);
    expect(text(`q9Zr7Lw2Xc5V of ${before}q9Zr7Lw2Xc5V`)).toBe(`${REDACTED} of ${REDACTED}`);
    expect(text(Buffer.from("q9Zr7Lw2Xc5V").toString("base64"))).toBe(REDACTED);
    expect(secretForms("correct horse")).not.toContain("horse");
  });

  test("leaves values of fewer than four characters alone, and derives nothing from short ones", () => {
    expect(redactorFor("abc").text("abc")).toBe("abc");
    expect(secretForms("abcde")).toEqual(["abcde"]);
    expect(redactorFor("abcde").text("xabcdex")).toBe(`x${REDACTED}x`);
  });

  test("removes each long line of a key file, but not the line that only says what it is", () => {
    const pem = `-----BEGIN PRIVATE KEY-----\n${"A1b2".repeat(16)}\n${"C3d4".repeat(10)}\n-----END PRIVATE KEY-----\n`;
    const { text } = redactorFor(pem);
    expect(text(pem)).toBe(REDACTED);
    expect(text(`line: ${"C3d4".repeat(10)}`)).toBe(`line: ${REDACTED}`);
    expect(text("-----BEGIN PRIVATE KEY-----")).toBe("-----BEGIN PRIVATE KEY-----");
  });

  test("survives half a surrogate pair in a secret", () => {
    expect(redactorFor("bad\ud800secret").text("a bad\ud800secret b")).toBe(`a ${REDACTED} b`);
  });

  test("finds every one of many secrets wherever they stand", () => {
    const secrets = fc.uniqueArray(fc.string({ minLength: 12, maxLength: 40 }), { minLength: 1, maxLength: 20 });
    const leaks = fc.property(secrets, fc.string(), (secrets, other) => {
      const out = redactorFor(...secrets).text(secrets.map((secret) => other + secret).join(""));
      return !secrets.some((secret) => out.includes(secret));
    });
    expect(() => fc.assert(leaks)).not.toThrow();
  });

  test("takes time in proportion to the text, also for one made of beginnings", () => {
    const many = createRedactor();
    for (let i = 0; i < 500; i++) many.track(`sk-proj-${i.toString(36).padStart(24, "x")}`);
    const hostile = "sk-proj-".repeat(20_000);
    expect(many.text(hostile)).toBe(hostile);
  });
});

describe("the redactor's JSON", () => {
  const { json } = redactorFor("top-secret-1");

  test("gives back the same object when nothing is found", () => {
    const value = { a: ["x", { b: null, c: 1.5 }], d: true };
    expect(json(value)).toBe(value);
    expect(createRedactor().json(value)).toBe(value);
    expect(json(null)).toBeNull();
  });

  test("replaces values and keys and leaves everything else where it is", () => {
    const value: Json = { a: ["x", { "is top-secret-1": "top-secret-1" }, 7], b: { untouched: [1] } };
    expect(json(value)).toEqual({ a: ["x", { [`is ${REDACTED}`]: REDACTED }, 7], b: { untouched: [1] } });
    expect(value).toEqual({ a: ["x", { "is top-secret-1": "top-secret-1" }, 7], b: { untouched: [1] } });
  });

  test("keeps the order of keys and the key __proto__", () => {
    const value: Json = JSON.parse('{"z":1,"__proto__":"top-secret-1","a":2}');
    expect(JSON.stringify(json(value))).toBe(`{"z":1,"__proto__":"${REDACTED}","a":2}`);
  });

  test("leaves no known secret in any document", () => {
    const clean = fc.property(fc.jsonValue(), (value) => {
      const document: Json = JSON.parse(JSON.stringify({ value, "top-secret-1": [value, "top-secret-1"] }));
      return !JSON.stringify(json(document)).includes("top-secret-1");
    });
    expect(() => fc.assert(clean)).not.toThrow();
  });
});

test("headers lose their credentials by name and by value", () => {
  const { redactHeaders } = redactorFor("top-secret-1");
  expect(redactHeaders({ Authorization: "Bearer unknown", cookie: "s=1", "x-custom": "a top-secret-1", accept: "*/*" })).toEqual({
    Authorization: REDACTED,
    cookie: REDACTED,
    "x-custom": `a ${REDACTED}`,
    accept: "*/*",
  });
});

test("a matcher counts each text once and ignores what is too short", () => {
  const matcher = new SecretMatcher();
  for (const text of ["abcd", "abcd", "abc"]) matcher.add(text);
  expect(matcher.size).toBe(1);
});
