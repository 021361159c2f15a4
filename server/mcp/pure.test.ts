import { describe, expect, test } from "vitest";
import type { Launch } from "#contract/mcp/servers.ts";
import { canonicalJson } from "./catalogue/canonical.ts";
import { isJson, toJson } from "./connection/json-value.ts";
import { differenceOf } from "./registration/check-launch.ts";
import { UNPINNED, launchHash, maskLaunch, secretName } from "./registration/launch.ts";
import { lineSplitter } from "./connection/line-splitter.ts";
import { compileSchema, schemaCheck } from "./connection/validators.ts";

const launch = { transport: "stdio", command: "node", args: ["a.js"], env: { TOKEN: "secret:token" }, cwd: "/srv" } as const;
const stdio = (change: Partial<Omit<Extract<Launch, { transport: "stdio" }>, "transport">> = {}) => ({
  ...launch,
  args: ["a.js"],
  ...change,
});

describe("the hash of a launch", () => {
  const before = launchHash(stdio(), "sum");
  test.each([
    ["command", launchHash(stdio({ command: "node2" }), "sum")],
    ["an argument", launchHash(stdio({ args: ["a.js", "--eval"] }), "sum")],
    ["where one argument ends", launchHash(stdio({ command: "node a.js", args: [] }), "sum")],
    ["the name of a variable", launchHash(stdio({ env: { NODE_OPTIONS: "secret:token" } }), "sum")],
    ["the value of a variable", launchHash(stdio({ env: { TOKEN: "secret:other" } }), "sum")],
    ["the folder", launchHash(stdio({ cwd: "/" }), "sum")],
    ["a cap", launchHash(stdio({ caps: { processes: 2 } }), "sum")],
    ["the sandbox", launchHash(stdio({ sandbox: { read: [], write: [], network: "none" } }), "sum")],
    ["what the sandbox lets through", launchHash(stdio({ sandbox: { read: [], write: [], network: "all" } }), "sum")],
    ["a host that it lets it reach", launchHash(stdio({ sandbox: { read: [], write: [], network: { hosts: ["example.org"] } } }), "sum")],
    ["the bytes of the executable", launchHash(stdio(), "other sum")],
    ["nothing installed", launchHash(stdio(), null)],
  ])("changes with %s", (_what, hash) => {
    expect(hash).not.toBe(before);
  });
  test("is the one that approvals have on record", () => {
    const boxed = (network: "none" | "all") => launchHash(stdio({ sandbox: { read: ["/srv"], write: [], network } }), "sum");
    expect([before, boxed("none"), boxed("all")]).toMatchInlineSnapshot(`
      [
        "0ea6724b6d712e929d36d2723f189edb0650ee71f8fa865b598952918227baf9",
        "39cb37debd313d0d861bd0faa595fa2ab636ae79715d40c436b0a36a92789817",
        "cb0b565c5f3d9c8164135c07cce8ec9a2c24e56c1a800177add51af0f369ad87",
      ]
    `);
  });
  test("says of what differs whether it is only the script, of which older approvals say nothing", () => {
    const [first, other] = [launchHash(stdio(), "sum", "a".repeat(64)), launchHash(stdio(), "sum", "b".repeat(64))];
    expect(differenceOf(first, first)).toBe("none");
    expect(differenceOf(before, first)).toBe("none");
    expect(differenceOf(first, other)).toBe("script");
    expect(differenceOf(first, before)).toBe("script");
    expect(differenceOf(launchHash(stdio(), "sum", UNPINNED), first)).toBe("script");
    expect(differenceOf(first, launchHash(stdio(), "other sum", "a".repeat(64)))).toBe("launch");
    expect(differenceOf(null, first)).toBe("launch");
  });
  test("is another one for every list of hosts", () => {
    const reaching = (...hosts: string[]) => launchHash(stdio({ sandbox: { read: [], write: [], network: { hosts } } }), "sum");
    const hashes = [
      reaching("example.org"),
      reaching("*.example.org"),
      reaching("example.org:8443"),
      reaching("example.org", "example.com"),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
  test("of HTTP is about the address and the headers", () => {
    const http = { transport: "http", url: "https://example.com/mcp", headers: { authorization: "secret:token" } } as const;
    expect(launchHash(http, null)).not.toBe(launchHash({ ...http, url: "https://example.org/mcp" }, null));
    expect(launchHash(http, null)).not.toBe(launchHash({ ...http, headers: {} }, null));
    const asking = (query: Record<string, string>) => launchHash({ ...http, query }, null);
    expect(new Set([launchHash(http, null), asking({ a: "1" }), asking({ a: "2" }), asking({ b: "1" })]).size).toBe(4);
    expect(launchHash(http, null)).toBe("85ba7f129e19d43a77ef1b1cce9bb524b5b135dddda9bbe7fd09f7e0e771e5ed");
  });
});

test("secrets are named whole; credentials in plain are masked", () => {
  expect(secretName("secret:api_key")).toBe("api_key");
  expect(secretName("secret:not a name")).toBeUndefined();
  expect(secretName("Bearer secret:x")).toBeUndefined();
  expect(maskLaunch(stdio({ env: { API_KEY: "sk-1", TOKEN: "secret:t", MODE: "fast" } }))).toMatchObject({
    env: { API_KEY: "********", TOKEN: "secret:t", MODE: "fast" },
  });
  const masked = maskLaunch({ transport: "http", url: "https://example.com", headers: { Authorization: "Bearer x", Accept: "y" } });
  expect(masked).toMatchObject({ headers: { Authorization: "********", Accept: "y" } });
});

describe("JSON values", () => {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
  test("are bounded in depth", () => {
    expect(isJson(nested(128))).toBe(true);
    expect(isJson(nested(129))).toBe(false);
    expect(toJson(JSON.parse("[".repeat(5_000) + "]".repeat(5_000)))).toBeNull();
  });
  test("lose what JSON cannot say", () => {
    expect(toJson({ a: undefined, b: [1, Number.NaN] })).toEqual({ b: [1, null] });
    expect(toJson(undefined)).toBeNull();
    expect(toJson(() => 1)).toBeNull();
  });
  test("without a canonical form are refused", () => {
    expect(canonicalJson({ b: 1, a: "é" })).toBe('{"a":"é","b":1}');
    expect(canonicalJson("\uD800")).toBeUndefined();
  });
});

describe("lines", () => {
  const split = (chunks: string[], maxBytes = 10): { lines: string[]; overflows: number } => {
    const seen = { lines: [] as string[], overflows: 0 };
    const push = lineSplitter({ maxBytes, onLine: (line) => seen.lines.push(line), onOverflow: () => (seen.overflows += 1) });
    for (const chunk of chunks) push(Buffer.from(chunk));
    return seen;
  };
  test("are put together over chunks and cut within them", () => {
    expect(split(["ab", "c\nd\r\n\ne", "f\n", "rest"])).toEqual({ lines: ["abc", "d", "", "ef"], overflows: 0 });
  });
  test("that are too long are left out, once, and the next one is whole", () => {
    expect(split(["12345678", "9012345", "more\nok\n"])).toEqual({ lines: ["ok"], overflows: 1 });
  });
});

describe("arguments against a tool's schema", () => {
  const issues = (inputSchema: object, args: unknown) => schemaCheck(inputSchema, "The schema", "arguments")(args);

  test("all that is wrong is named with its place", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "object", properties: { b: { type: "number" } } } },
      required: ["c"],
      additionalProperties: false,
    };
    expect(issues(schema, { a: { b: "x" }, d: 1 }).map(({ path, code }) => [path, code])).toEqual([
      ["arguments.c", "required"],
      ["arguments.d", "additionalProperties"],
      ["arguments.a.b", "type"],
    ]);
  });
  test("what an object inherits does not count as given", () => {
    expect(issues({ type: "object", required: ["toString"] }, {})).toHaveLength(1);
  });
  test("draft 7 and 2020-12 are both understood", () => {
    const draft7 = {
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      properties: { a: { type: "array", items: [{ type: "number" }] } },
    };
    expect(issues(draft7, { a: ["x"] })).toHaveLength(1);
    const draft2020 = { $schema: "https://json-schema.org/draft/2020-12/schema", properties: { a: { prefixItems: [{ type: "number" }] } } };
    expect(issues(draft2020, { a: ["x"] })).toHaveLength(1);
    expect(issues({ properties: { a: { format: "date" } } }, { a: "yesterday" })).toHaveLength(1);
  });
  test("a pattern that backtracks does not stop the process; one that cannot be expressed is left to the server", () => {
    expect(issues({ properties: { a: { pattern: "^(a+)+$" } } }, { a: `${"a".repeat(50_000)}!` })).toHaveLength(1);
    expect(issues({ properties: { a: { pattern: "(?=x)y" } } }, { a: "z" })).toEqual([]);
  });
  test("a schema that refers elsewhere is refused, not fetched", () => {
    expect(() => issues({ $ref: "http://127.0.0.1:1/x" }, {})).toThrow(expect.objectContaining({ code: "mcp_protocol_error" }));
    expect(() => compileSchema({ $ref: "file:///etc/passwd" }, false)).toThrow("can't resolve reference");
  });
  test("two servers may use the same $id", () => {
    const check = (type: string) => issues({ $id: "https://x/s", properties: { a: { type } } }, { a: 1 });
    expect([check("number"), check("string").length]).toEqual([[], 1]);
  });
});
