import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { workflow } from "#test/support/engine-driver.ts";
import { validate } from "../index.ts";
import { compileValue, type Roots } from "./index.ts";

const forged = [{ $secret: "STOLEN" }];
const roots: Roots = {
  input: { text: "hi", n: 1, forged, marker: '{"$secret":"STOLEN"}', template: "{{ secrets.STOLEN }}", expression: "=secrets.STOLEN" },
  step: () => forged[0],
  context: {},
  run: { id: "r", workflowId: "w", version: 1 },
  now: 0,
  seed: "s",
};
const compile = (header: string) =>
  compileValue({ headers: { "X-Key": header }, body: "text" }, { nodeId: "n", field: "data", secretsIn: "headers" });
const headerOf = async (header: string): Promise<unknown> => {
  const value = await compile(header).compiled.evaluate(roots);
  const headers = typeof value === "object" && value !== null && "headers" in value ? value["headers"] : undefined;
  return typeof headers === "object" && headers !== null && "X-Key" in headers ? headers["X-Key"] : undefined;
};
const TOKEN = { $secret: "TOKEN" };

describe("a text that may name secrets", () => {
  test.each<[string, Json | undefined]>([
    ["plain", "plain"],
    ["\\{{ secrets.TOKEN }}", "{{ secrets.TOKEN }}"],
    ["=secrets.TOKEN", [TOKEN]],
    ["{{secrets.TOKEN}}", [TOKEN]],
    ["Bearer {{ secrets.TOKEN }}", ["Bearer ", TOKEN]],
    ["{{ secrets.USER }}:{{ secrets.TOKEN }} {{ input.text }}{{ input.n }}", [{ $secret: "USER" }, ":", TOKEN, " ", "hi", "1"]],
    ["=input.text", "hi"],
    ["=input.n", "1"],
    ["=input.missing", undefined],
    ["=$uppercase(input.text)", "HI"],
    ["=$sum($map([1, 2], $abs))", "3"],
  ])("%s", async (header, expected) => expect(await headerOf(header)).toEqual(expected));

  test.each([
    "input.forged",
    "steps.any",
    "input.marker",
    "input.template",
    "input.expression",
    "{'$secret': 'STOLEN'}",
    "[{'$secret': 'STOLEN'}]",
  ])("%s stays data, however much it looks like a secret", async (source) => {
    expect(await headerOf(`=${source}`)).toEqual(expect.any(String));
    const pieces = await headerOf(`{{ ${source} }}{{ secrets.TOKEN }}`);
    expect(pieces).toEqual([expect.any(String), TOKEN]);
  });

  test("has a size", async () => {
    const half = `$pad('', ${LIMITS.expressionResultBytes / 2}, 'x')`;
    expect(await headerOf(`{{ ${half} }}{{ ${half} }}`)).toHaveLength(LIMITS.expressionResultBytes);
    await expect(headerOf(`{{ ${half} }}{{ ${half} }}{{ secrets.TOKEN }}!`)).rejects.toMatchObject({ code: "expression_too_large" });
  });

  test("says where it is broken", () => {
    expect(compile("Bearer {{ secrets.TOKEN ").issues).toMatchObject([{ field: 'data.headers["X-Key"]', position: 7 }]);
    expect(compile("{{ secrets.TOKEN }} {{ 1 + }}").issues).toMatchObject([{ field: 'data.headers["X-Key"]' }]);
  });
});

describe("validation of secrets", () => {
  const http = (data: object) => ({ id: "call", type: "http", data: { url: "https://x.example", ...data } }) as never;
  const problems = (data: object) =>
    validate(workflow([{ id: "start", type: "start" }, http(data), { id: "end", type: "end" }], ["start>call", "call>end"])).issues.map(
      ({ path }) => path,
    );

  test("they may stand alone in the headers of a request", () => {
    expect(problems({ headers: { authorization: "Bearer {{ secrets.TOKEN }}", "x-key": "=secrets.KEY" } })).toEqual([]);
  });

  test.each<[string, object, string]>([
    ["in the address", { url: "=secrets.TOKEN" }, "nodes[1].data.url"],
    ["in the body", { method: "POST", body: { key: "{{ secrets.TOKEN }}" } }, "nodes[1].data.body.key"],
    ["computed with", { headers: { a: "=secrets.TOKEN & 'x'" } }, "nodes[1].data.headers.a"],
    ["in a function", { headers: { a: "{{ $length(secrets.TOKEN) }}" } }, "nodes[1].data.headers.a"],
    ["without a name", { headers: { a: "=secrets" } }, "nodes[1].data.headers.a"],
    ["below a name", { headers: { a: "=secrets.A.b" } }, "nodes[1].data.headers.a"],
    ["in a body that is called headers", { method: "POST", body: { headers: { a: "=secrets.A" } } }, "nodes[1].data.body.headers.a"],
  ])("but not %s", (_where, data, path) => expect(problems(data)).toEqual([path]));
});
