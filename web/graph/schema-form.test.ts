import { describe, expect, test } from "vitest";
import { fieldsOf, initialValues, readForm } from "./schema-form.ts";

const schema = {
  type: "object",
  required: ["folder", "count"],
  properties: {
    folder: { type: "string", title: "Folder", description: "Where to look" },
    count: { type: "integer", default: 3 },
    share: { type: "number" },
    deep: { type: "boolean" },
    mode: { enum: ["short", "long"] },
    key: { type: "string", format: "password" },
    text: { type: "string", maxLength: 5_000 },
  },
};

describe("a form from a schema", () => {
  test("has a field for each plain property", () => {
    const fields = fieldsOf(schema) ?? [];
    expect(fields.map(({ name, kind, required }) => [name, kind, required])).toEqual([
      ["folder", "text", true],
      ["count", "integer", true],
      ["share", "number", false],
      ["deep", "boolean", false],
      ["mode", "choice", false],
      ["key", "secret", false],
      ["text", "long_text", false],
    ]);
    expect(fields[0]).toMatchObject({ label: "Folder", description: "Where to look" });
    expect(fields[4]).toMatchObject({ label: "mode", choices: ["short", "long"] });
    expect(initialValues(fields)).toMatchObject({ folder: "", count: "3" });
  });

  test.each([
    ["nothing", undefined],
    ["a list", { type: "array" }],
    ["any object", {}],
    ["an object inside", { type: "object", properties: { a: { type: "object" } } }],
    ["a property without a type", { type: "object", properties: { a: {} } }],
    ["choices that are not texts", { type: "object", properties: { a: { enum: [1, 2] } } }],
    ["a property that is not a schema", { type: "object", properties: { a: true } }],
    ["properties that are none", { type: "object", properties: [] }],
  ])("is not made for %s", (_, given) => {
    expect(fieldsOf(given)).toBeUndefined();
  });

  test("is empty for an object without properties", () => {
    expect(fieldsOf({ type: "object", additionalProperties: false })).toEqual([]);
  });
});

describe("reading the form", () => {
  const fields = fieldsOf(schema) ?? [];

  test("gives typed values and leaves out what is empty", () => {
    const { input, problems } = readForm(fields, {
      folder: "letters",
      count: "7",
      share: "0.5",
      deep: "true",
      mode: "short",
      key: "",
      text: " ",
    });
    expect(input).toEqual({ folder: "letters", count: 7, share: 0.5, deep: true, mode: "short" });
    expect(problems).toEqual({});
  });

  test("names what is wrong", () => {
    expect(readForm(fields, { count: "1.5", share: "many" }).problems).toEqual({ folder: "required", count: "integer", share: "number" });
  });
});
