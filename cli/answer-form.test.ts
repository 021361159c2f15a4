import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { fieldsOf, readFields } from "./answer-form.ts";

const properties: Record<string, Json> = {
  name: { type: "string", title: "Name", description: "Who you are", minLength: 2, maxLength: 40 },
  mail: { type: "string", format: "email" },
  age: { type: "integer", minimum: 0 },
  share: { type: "number", maximum: 1, default: 0.5 },
  agrees: { type: "boolean" },
  size: { type: "string", enum: ["s", "m"], enumNames: ["Small", "Medium"] },
  hero: { type: "string", oneOf: [{ const: "h1", title: "Ada" }, { const: "h2" }] },
  days: { type: "array", minItems: 1, maxItems: 2, items: { type: "string", enum: ["mon", "tue"] } },
  fish: { type: "array", items: { anyOf: [{ const: "f1", title: "Tuna" }] } },
};
const form = { type: "object", properties, required: ["name", "age"] };

describe("the fields of a form", () => {
  test("say what may be typed", () => {
    expect(fieldsOf(form).map(({ name, type }) => [name, type])).toEqual([
      ["name", "string, 2 to 40 characters"],
      ["mail", "string (email)"],
      ["age", "integer, at least 0"],
      ["share", "number, at most 1"],
      ["agrees", "boolean"],
      ["size", "one of s (Small), m (Medium)"],
      ["hero", "one of h1 (Ada), h2"],
      ["days", "some of mon, tue, 1 to 2, with commas between"],
      ["fish", "some of f1 (Tuna), with commas between"],
    ]);
    expect(fieldsOf(form)[0]).toMatchObject({ isRequired: true, about: "Name: Who you are", default: undefined });
    expect(fieldsOf(form)[3]).toMatchObject({ isRequired: false, about: "", default: 0.5 });
  });

  test.each([
    ["a field of no known kind", { properties: { odd: { type: ["string", "null"], minimum: "x" } } }, ["odd"]],
    ["no fields", { properties: 7, required: "all" }, []],
    ["nothing at all", {}, []],
  ])("of a form with %s are shown as far as they can be", (_name, schema, names) => {
    expect(fieldsOf(schema).map(({ name }) => name)).toEqual(names);
  });
});

describe("what is typed", () => {
  test.each([
    ["name", "7", "7"],
    ["name", "a=b, [c]", "a=b, [c]"],
    ["age", "7", 7],
    ["age", "seven", "seven"],
    ["age", "", ""],
    ["share", "-0.5", -0.5],
    ["agrees", "true", true],
    ["agrees", "false", false],
    ["agrees", "yes", "yes"],
    ["days", "mon, tue", ["mon", "tue"]],
    ["days", "", []],
    ["unknown", "1", "1"],
    ["constructor", "1", "1"],
  ])("for %s as %j is read as %j", (name, text, value) => {
    expect(readFields(form, [[name, text]])).toEqual({ [name]: value });
  });
});
