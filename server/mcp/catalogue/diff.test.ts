import { describe, expect, test } from "vitest";
import { diffDefinitions, diffText } from "./diff.ts";

const definition = {
  name: "read",
  description: "Reads a file of the workspace.",
  inputSchema: {
    type: "object",
    properties: { path: { type: "string", description: "Relative." }, mode: { enum: ["text", "bytes"], default: "text" } },
    required: ["path"],
  },
  annotations: { readOnlyHint: true },
};
const { inputSchema } = definition;
const withSchema = (change: object) => ({ ...definition, inputSchema: { ...inputSchema, ...change } });

describe("a difference", () => {
  test.each([
    [
      "a word of the description",
      { ...definition, description: "Reads a file of the disk." },
      [{ path: "description", kind: "changed", before: definition.description, after: "Reads a file of the disk." }],
    ],
    [
      "the description of a parameter",
      withSchema({ properties: { ...inputSchema.properties, path: { type: "string", description: "Absolute." } } }),
      [{ path: "inputSchema.properties.path.description", kind: "changed", before: "Relative.", after: "Absolute." }],
    ],
    [
      "a parameter more",
      withSchema({ properties: { ...inputSchema.properties, "ssh key": { type: "string" } } }),
      [{ path: 'inputSchema.properties["ssh key"]', kind: "added", after: { type: "string" } }],
    ],
    [
      "a value of an enum more, one less, a default",
      withSchema({ properties: { ...inputSchema.properties, mode: { enum: ["bytes", "lines"], default: "bytes" } } }),
      [
        { path: "inputSchema.properties.mode.default", kind: "changed", before: "text", after: "bytes" },
        { path: "inputSchema.properties.mode.enum[0]", kind: "removed", before: "text" },
        { path: "inputSchema.properties.mode.enum[1]", kind: "added", after: "lines" },
      ],
    ],
    [
      "an annotation",
      { ...definition, annotations: { readOnlyHint: false } },
      [{ path: "annotations.readOnlyHint", kind: "changed", before: true, after: false }],
    ],
    [
      "an output schema",
      { ...definition, outputSchema: { type: "object" } },
      [{ path: "outputSchema", kind: "added", after: { type: "object" } }],
    ],
    [
      "an icon, place by place",
      { ...definition, icons: [{ src: "https://a.example/b.png" }] },
      [{ path: "icons", kind: "added", after: [{ src: "https://a.example/b.png" }] }],
    ],
    [
      "a member with the name of an object's own",
      withSchema({ constructor: "x" }),
      [{ path: "inputSchema.constructor", kind: "added", after: "x" }],
    ],
  ])("%s", (_what, after, expected) => {
    expect(diffDefinitions(definition, after)).toMatchObject(expected);
    expect(diffDefinitions(definition, after)).toHaveLength(expected.length);
  });

  test("is none when only the order of keys differs", () => {
    expect(diffDefinitions(definition, Object.fromEntries(Object.entries(definition).toReversed()))).toEqual([]);
  });

  test("is the order of a list, when nothing else is", () => {
    expect(diffDefinitions({ required: ["a", "b"] }, { required: ["b", "a"] })).toEqual([
      { path: "required", kind: "changed", before: ["a", "b"], after: ["b", "a"] },
    ]);
  });

  test("is inside a list of objects at its place", () => {
    expect(diffDefinitions({ icons: [{ src: "a" }, { src: "b" }] }, { icons: [{ src: "a" }, { src: "c" }] })).toMatchObject([
      { path: "icons[1].src", kind: "changed", before: "b", after: "c" },
    ]);
  });

  test("is everything when nothing was approved", () => {
    expect(diffDefinitions(undefined, definition).map(({ path, kind }) => `${kind} ${path}`)).toEqual([
      "added annotations",
      "added description",
      "added inputSchema",
      "added name",
    ]);
  });

  test("hides nothing", () => {
    const after = { ...definition, description: "Reads a file of the workspace.\u{E0072}\u200B", _meta: { "x\u202E": "\u001B[2J" } };
    expect(diffDefinitions(definition, after)).toEqual([
      { path: "_meta", kind: "added", after: { "x⟦U+202E⟧": "⟦U+001B⟧[2J" } },
      {
        path: "description",
        kind: "changed",
        before: "Reads a file of the workspace.",
        after: "Reads a file of the workspace.⟦U+E0072⟧⟦U+200B⟧",
        text: [
          { kind: "same", text: "Reads a file of the workspace." },
          { kind: "added", text: "⟦U+E0072⟧⟦U+200B⟧" },
        ],
      },
    ]);
  });
});

test.each([
  ["one word for another", "Adds two numbers.", "Adds three numbers.", "Adds [-two-]{+three+} numbers."],
  ["a sentence more", "Adds.", "Adds. Always.", "Adds.{+ Always.+}"],
  ["a sentence less", "Adds. Always.", "Adds.", "Adds.[- Always.-]"],
  ["all of it", "Adds", "Subtracts", "[-Adds-]{+Subtracts+}"],
  ["a repetition", "a a", "a a a", "a a{+ a+}"],
])("a changed text shows which words: %s", (_what, before, after, expected) => {
  const marks = { same: ["", ""], removed: ["[-", "-]"], added: ["{+", "+}"] } as const;
  const shown = diffText(before, after).map(({ kind, text }) => `${marks[kind][0]}${text}${marks[kind][1]}`);
  expect(shown.join("")).toBe(expected);
});
