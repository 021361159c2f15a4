import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { compileSchema } from "../connection/validators.ts";
import { createSamples } from "./samples.ts";

const samples = createSamples();
afterAll(() => samples.stop());

const object = (properties: object, required: string[] = Object.keys(properties), more: object = {}) => ({
  type: "object",
  properties,
  required,
  ...more,
});

describe("a sample", () => {
  test.each([
    ["no properties", object({})],
    [
      "plain types",
      object({ s: { type: "string" }, n: { type: "number" }, i: { type: "integer" }, b: { type: "boolean" }, z: { type: "null" } }),
    ],
    ["bounds", object({ n: { type: "integer", minimum: 5, exclusiveMaximum: 7 }, s: { type: "string", minLength: 3, maxLength: 4 } })],
    [
      "formats",
      object({ d: { type: "string", format: "date-time" }, e: { type: "string", format: "email" }, u: { type: "string", format: "uri" } }),
    ],
    ["a pattern", object({ code: { type: "string", pattern: "^[A-Z]{2}-\\d{4}$" } })],
    ["choices", object({ a: { enum: ["x", "y"] }, b: { const: 7 }, c: { anyOf: [{ type: "string" }, { type: "null" }] } })],
    ["lists", object({ list: { type: "array", items: { type: "integer" }, minItems: 2, uniqueItems: true } })],
    ["references", object({ p: { $ref: "#/$defs/point" } }, ["p"], { $defs: { point: object({ x: { type: "number" } }) } })],
    ["a tree", object({ tree: { $ref: "#/$defs/node" } }, ["tree"], { $defs: { node: object({ next: { $ref: "#/$defs/node" } }, []) } })],
    ["draft 7", { $schema: "http://json-schema.org/draft-07/schema#", ...object({ a: { type: "string" } }), additionalProperties: false }],
    ["parts of a whole", { allOf: [object({ a: { type: "string" } }), object({ b: { type: "integer" } })] }],
  ])("fits the schema it was made from, and is the same each time: %s", async (_name, schema) => {
    const sample = await samples.arguments(schema);
    expect(compileSchema(schema, true)(sample)).toBe(true);
    expect(await samples.arguments(schema)).toEqual(sample);
  });

  test("has what is required, and of that defaults and examples, and nothing else", async () => {
    const schema = object(
      { city: { type: "string", default: "Rome" }, unit: { type: "string", examples: ["C"] }, days: { type: "integer" } },
      ["city", "unit"],
    );
    expect(await samples.arguments(schema)).toEqual({ city: "Rome", unit: "C" });
  });
});

describe("a hostile schema is answered with an error in bounded time", () => {
  const deep = (levels: number): object => (levels === 0 ? { type: "string" } : object({ a: deep(levels - 1) }));
  const ref = (where: string): object => object({ a: { $ref: where } });
  test.each([
    ["requires itself", { $ref: "#/$defs/a", $defs: { a: object({ a: { $ref: "#/$defs/a" } }) } }, /no value|cannot be used/],
    ["a file", ref("file:///etc/passwd"), /cannot be used/],
    ["2^18 branches", { anyOf: Array.from({ length: 2 ** 18 }, (_, i) => ({ const: i })) }, /more than 20000 parts/],
    ["too deep", deep(100), /nested deeper/],
    ["a string of a billion letters", object({ s: { type: "string", minLength: 1e9 } }), /more than|cannot be used|no value/],
    [
      "a list of a billion",
      object({ l: { type: "array", minItems: 1e9, items: { type: "integer" } } }),
      /more than|cannot be used|no value/,
    ],
    ["what cannot be", object({ n: { type: "integer", minimum: 5, maximum: 4 } }), /no value|cannot be used/],
    ["steps too small to count", object({ n: { type: "number", multipleOf: 1e-300 } }), /no value|cannot be used/],
    ["no object", { type: "string" }, /not describe an object/],
    ["no schema", object({ a: { type: "nonsense" } }), /cannot be used|no value/],
  ])("%s", async (_name, schema, why) => {
    await expect(samples.arguments(schema as Record<string, unknown>)).rejects.toMatchObject({
      code: "mcp_schema_unusable",
      message: expect.stringMatching(why),
    });
  });

  test.each([
    ["a pattern that others take for ever to match", object({ s: { type: "string", pattern: "(a+)+$" } })],
    ["a length that nobody needs", object({ s: { type: "string", maxLength: 1e9 } })],
    ["names of every object", object({ __proto__x: { type: "string" }, constructor: { type: "string" } })],
  ])("or with a sample: %s", async (_name, schema) => {
    expect(compileSchema(schema, false)(await samples.arguments(schema))).toBe(true);
  });

  test("a reference to an address is never followed", async () => {
    let isCalled = false;
    const server = createServer(() => (isCalled = true));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await expect(samples.arguments(object({ a: { $ref: `http://127.0.0.1:${port}/x` } }))).rejects.toMatchObject({
      code: "mcp_schema_unusable",
    });
    server.close();
    expect(isCalled).toBe(false);
  });

  test("the next sample is made all the same", async () => {
    await expect(samples.arguments(object({ s: { type: "string", minLength: 3e8 } }))).rejects.toMatchObject({
      code: "mcp_schema_unusable",
    });
    expect(await samples.arguments(object({ a: { const: 1 } }))).toEqual({ a: 1 });
  });

  test("only so many wait for their turn", async () => {
    const waiting = Array.from({ length: LIMITS.samplesWaiting + 1 }, () => samples.arguments(object({ a: { const: 1 } })));
    const refused = (await Promise.allSettled(waiting)).filter(({ status }) => status === "rejected");
    expect(refused).toMatchObject([{ reason: { code: "unavailable", retryable: true } }]);
  });
});
