import type { Json } from "#contract/common.ts";

/**
 * A form out of a JSON Schema, as far as plain fields go: an object whose properties are strings, numbers, booleans or
 * choices. Anything richer is written as JSON.
 */
export type FormField = {
  name: string;
  label: string;
  description: string;
  required: boolean;
  kind: "text" | "secret" | "long_text" | "number" | "integer" | "boolean" | "choice";
  choices: readonly string[];
  initial: string;
};
/** What is written in the fields, by name. Booleans are `true`, `false` or empty. */
export type FormValues = Readonly<Record<string, string>>;
export type FormProblem = "required" | "number" | "integer";

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** Undefined when the schema asks for more than plain fields can give. */
export function fieldsOf(schema: Readonly<Record<string, unknown>> | undefined): FormField[] | undefined {
  if (schema === undefined) return undefined;
  const { properties, type } = schema;
  if (type !== undefined && type !== "object") return undefined;
  if (properties === undefined) return schema["additionalProperties"] === false || type === "object" ? [] : undefined;
  if (!isObject(properties)) return undefined;
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const fields = Object.entries(properties).map(([name, property]) =>
    isObject(property) ? fieldOf(name, property, required.includes(name)) : undefined,
  );
  return fields.every((field) => field !== undefined) ? fields : undefined;
}

function fieldOf(name: string, property: Record<string, unknown>, required: boolean): FormField | undefined {
  const kind = kindOf(property);
  if (!kind) return undefined;
  const initial = property["default"];
  return {
    name,
    label: text(property["title"]) || name,
    description: text(property["description"]),
    required,
    kind,
    choices: kind === "choice" && Array.isArray(property["enum"]) ? property["enum"].map(String) : [],
    initial: typeof initial === "string" || typeof initial === "number" || typeof initial === "boolean" ? String(initial) : "",
  };
}

function kindOf(property: Record<string, unknown>): FormField["kind"] | undefined {
  const { enum: choices, type, format, maxLength, writeOnly } = property;
  if (Array.isArray(choices)) return choices.every((choice) => typeof choice === "string") ? "choice" : undefined;
  if (type === "string") {
    if (format === "password" || writeOnly === true) return "secret";
    return typeof maxLength === "number" && maxLength > 400 ? "long_text" : "text";
  }
  return type === "number" || type === "integer" || type === "boolean" ? type : undefined;
}

export const initialValues = (fields: readonly FormField[]): FormValues =>
  Object.fromEntries(fields.map((field) => [field.name, field.initial]));

/** The input that the values stand for; an empty field that is not required is left out. */
export function readForm(
  fields: readonly FormField[],
  values: FormValues,
): { input: { [key: string]: Json }; problems: Record<string, FormProblem> } {
  const input: { [key: string]: Json } = {};
  const problems: Record<string, FormProblem> = {};
  for (const field of fields) {
    const written = values[field.name] ?? "";
    if (written.trim() === "") {
      if (field.required) problems[field.name] = "required";
      continue;
    }
    const read = readField(field, written);
    if (typeof read === "object") problems[field.name] = read.problem;
    else input[field.name] = read;
  }
  return { input, problems };
}

function readField(field: FormField, written: string): string | number | boolean | { problem: FormProblem } {
  if (field.kind === "boolean") return written === "true";
  if (field.kind !== "number" && field.kind !== "integer") return written;
  const number = Number(written);
  if (!Number.isFinite(number)) return { problem: "number" };
  return field.kind === "integer" && !Number.isInteger(number) ? { problem: "integer" } : number;
}
