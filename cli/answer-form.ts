import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { ServerQuestion } from "#contract/mcp/questions.ts";

const Choice = z.object({ const: z.string(), title: z.string().optional() });
const Choices = z.object({
  enum: z.array(z.string()).optional(),
  /** Titles of `enum`, in its order, as the protocol had them at first. */
  enumNames: z.array(z.string()).optional(),
  oneOf: z.array(Choice).optional(),
  anyOf: z.array(Choice).optional(),
});
const bound = z.number().optional();
const FieldSchema = Choices.extend({
  type: z.enum(["string", "number", "integer", "boolean", "array"]).optional(),
  title: z.string().optional(),
  description: z.string().optional(),
  format: z.string().optional(),
  minimum: bound,
  maximum: bound,
  minLength: bound,
  maxLength: bound,
  minItems: bound,
  maxItems: bound,
  default: Json.optional(),
  items: Choices.optional(),
});
type FieldSchema = z.infer<typeof FieldSchema>;

// The schema is the server's own; a field that is written in another way is shown by its name only.
const Form = z.object({
  properties: z.record(z.string(), FieldSchema.catch({})).catch({}),
  required: z.array(z.string()).catch([]),
});

type FormSchema = Extract<ServerQuestion, { mode: "form" }>["requestedSchema"];
export type Field = { name: string; type: string; isRequired: boolean; about: string; default: Json | undefined };

/** What a form asks for, for the eye. */
export function fieldsOf(schema: FormSchema): Field[] {
  const { properties, required } = Form.parse(schema);
  return Object.entries(properties).map(([name, field]) => ({
    name,
    type: typeText(field),
    isRequired: required.includes(name),
    about: [field.title, field.description].filter((text) => text !== undefined).join(": "),
    default: field.default,
  }));
}

function typeText(field: FieldSchema): string {
  const { type = "any", format } = field;
  if (type === "array")
    return `some of ${choicesText(field.items ?? {})}${boundsText(field.minItems, field.maxItems)}, with commas between`;
  const choices = choicesText(field);
  if (choices !== "") return `one of ${choices}`;
  const characters = boundsText(field.minLength, field.maxLength);
  return [
    type,
    format === undefined ? "" : ` (${format})`,
    boundsText(field.minimum, field.maximum),
    characters === "" ? "" : `${characters} characters`,
  ].join("");
}

function choicesText({ enum: values = [], enumNames = [], oneOf = [], anyOf = [] }: z.infer<typeof Choices>): string {
  const plain = values.map((value, at) => ({ const: value, title: enumNames[at] }));
  return [...plain, ...oneOf, ...anyOf].map(({ const: value, title }) => (title === undefined ? value : `${value} (${title})`)).join(", ");
}

function boundsText(min: number | undefined, max: number | undefined): string {
  if (min === undefined) return max === undefined ? "" : `, at most ${max}`;
  return max === undefined ? `, at least ${min}` : `, ${min} to ${max}`;
}

/** What was typed for each field, as the type that the form asks for. What is not of that type stays text, for the check to refuse. */
export function readFields(schema: FormSchema, given: readonly (readonly [name: string, text: string])[]): Record<string, unknown> {
  const types = new Map(Object.entries(Form.parse(schema).properties).map(([name, { type }]) => [name, type]));
  return Object.fromEntries(given.map(([name, text]) => [name, valueOf(types.get(name), text)]));
}

function valueOf(type: FieldSchema["type"], text: string): unknown {
  if (type === "array") return text === "" ? [] : text.split(",").map((part) => part.trim());
  if (type === "boolean") return text === "true" || (text === "false" ? false : text);
  if (type !== "number" && type !== "integer") return text;
  const number = Number(text);
  return text.trim() === "" || Number.isNaN(number) ? text : number;
}
