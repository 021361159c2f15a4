import { describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { couldBecome, expandTemplate, variablesOf } from "./uri-template.ts";
import { checkUri } from "./uris.ts";

const values = {
  var: "value",
  hello: "Hello World!",
  path: "/foo/bar",
  x: "1024",
  y: "768",
  empty: "",
  list: ["red", "green", "blue"],
  half: "50%",
};

describe("a template of RFC 6570", () => {
  test.each([
    ["{var}", "value"],
    ["{hello}", "Hello%20World%21"],
    ["{half}", "50%25"],
    ["O{empty}X", "OX"],
    ["O{undef}X", "OX"],
    ["{x,y}", "1024,768"],
    ["?{x,empty}", "?1024,"],
    ["{var:3}", "val"],
    ["{list}", "red,green,blue"],
    ["{list*}", "red,green,blue"],
    ["{+hello}", "Hello%20World!"],
    ["{+half}", "50%25"],
    ["{+path}/here", "/foo/bar/here"],
    ["here?ref={+path}", "here?ref=/foo/bar"],
    ["X{#var}", "X#value"],
    ["X{.var}", "X.value"],
    ["X{.list*}", "X.red.green.blue"],
    ["{/var,x}/here", "/value/1024/here"],
    ["{/list*}", "/red/green/blue"],
    ["{;x,y,empty}", ";x=1024;y=768;empty"],
    ["{;list*}", ";list=red;list=green;list=blue"],
    ["{?x,y,empty}", "?x=1024&y=768&empty="],
    ["{?x,y,undef}", "?x=1024&y=768"],
    ["{?list*}", "?list=red&list=green&list=blue"],
    ["?fixed=yes{&x}", "?fixed=yes&x=1024"],
    ["notes://of/{who}", "notes://of/"],
  ])("%s is %s", (template, expanded) => {
    expect(expandTemplate(template, values)).toBe(expanded);
  });

  test("a value cannot pretend to be another variable, and inherited names are none", () => {
    expect(expandTemplate("{a}{b}", { a: "{b}", b: "x" })).toBe("%7Bb%7Dx");
    expect(expandTemplate("{constructor}{__proto__}", {})).toBe("");
  });

  test.each(["{", "{}", "{a b}", "{a,}", "x{a", "{a:0}", "{|a}", `{${"a,".repeat(100)}a}`])("%s is none", (template) => {
    expect(() => variablesOf(template)).toThrow(expect.objectContaining({ code: "mcp_uri_refused" }));
  });

  // CVE-2026-0621: a template whose exploded variables made matching take exponential time.
  test.each([
    ["{/id*}", { id: Array.from({ length: 64 }, () => "a".repeat(100)) }],
    ["{/a*,b*}{?c*}".repeat(20), { a: ["x".repeat(8_000)] }],
    ["{".repeat(8_000), {}],
    ["{a}".repeat(2_000), { a: "b" }],
    ["{+path}", { path: "a".repeat(1024 * 1024) }],
  ])("hostile input is answered at once: %.20s", (template, given) => {
    let uri = "";
    try {
      uri = expandTemplate(template, given);
    } catch (error) {
      expect(error).toMatchObject({ code: "mcp_uri_refused" });
    }
    expect(uri.length).toBeLessThanOrEqual(LIMITS.mcpUriChars);
  });
});

describe("an address that a template could have become", () => {
  test.each([
    ["file:///srv/{name}", "file:///srv/a.txt", true],
    ["file:///srv/{name}", "file:///srv/a/b.txt", false],
    ["file:///srv/{name}", "file:///etc/passwd", false],
    ["file:///srv/{name}.txt", "file:///srv/a.txt", true],
    ["file:///srv/{name}.txt", "file:///srv/a.key", false],
    ["file:///srv/{+path}", "file:///srv/a/b.txt", true],
    ["file:///srv{/path*}", "file:///srv/a/b.txt", true],
    ["file:///srv/my file{?q}", "file:///srv/my%20file?q=1", true],
    ["file:///srv/a", "file:///srv/a", true],
    ["file:///srv/a", "file:///srv/ab", false],
    ["file:///srv/{a}srv/", "file:///srv/", false],
    ["{+any}", "file:///etc/passwd", true],
  ])("%s, %s: %s", (template, uri, could) => {
    expect(couldBecome(template, uri)).toBe(could);
  });
});

describe("addresses that no server is asked for (M-22)", () => {
  test.each([
    ["a file that is not listed", "file:///etc/passwd"],
    ["in capitals", "FILE:///etc/passwd"],
    ["climbing", "notes://of/../../etc/passwd"],
    ["climbing at the end", "notes://of/.."],
    ["climbing, encoded", "notes://of/%2e%2e/%2E%2e/etc"],
    ["climbing, encoded twice", "notes://of/%252e%252e%252fetc"],
    ["climbing, encoded four times", "notes://of/%252525252e%252525252e/etc"],
    ["climbing by its slashes", "notes://of/..%2f..%2fetc"],
    ["climbing the other way", "notes://of/..%5c..%5cetc"],
    ["climbing in a query", "notes://of?path=../etc"],
    ["1 MiB", `notes://${"a".repeat(1024 * 1024)}`],
    ["no scheme", "/etc/passwd"],
    ["no scheme but a host", "//evil.example/x"],
    ["a line break", "notes://a\r\nHost: evil"],
    ["a NUL", "notes://a\u0000b"],
    ["half a character", "notes://\uD800"],
    ["nothing", ""],
  ])("%s", (_name, uri) => {
    expect(() => checkUri(uri, { isOffered: false })).toThrow(expect.objectContaining({ code: "mcp_uri_refused" }));
  });

  test.each([
    "notes://today",
    "file:///srv/data/a..b.txt",
    "https://example.com/a?b=c#d",
    "demo://resource/dynamic/text/1",
    "urn:isbn:1",
    "notes://größe",
  ])("but %s is passed on", (uri) => {
    checkUri(uri, { isOffered: true });
  });
});
