/* What two kinds of old steps need beyond expressions, as the contained code of `code` nodes. Bodies of functions of `input`. */

/** The answer of a model that is JSON gives the ports their values; any other is the value of the port for texts. */
export const PORTS_SOURCE = `
const { answer, ports, text } = input;
let parsed;
try {
  parsed = JSON.parse(answer.ai_response.trim().replace(/^\`\`\`(json)?|\`\`\`$/g, ""));
} catch {
  parsed = undefined;
}
const found = {};
if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) {
  for (const port of ports) if (Object.hasOwn(parsed, port)) found[port] = parsed[port];
}
return { ...answer, ...(Object.keys(found).length > 0 ? found : { [text]: answer.ai_response }) };
`.trim();

/** Checks the bag against a JSON Schema (draft-07, without \`$ref\`); the failure names every field, in the order of their paths. */
export const VALIDATION_SOURCE = `
const { schema, data } = input;
const problems = [];
const typeOf = (value) =>
  value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
const isOf = (value, type) => typeOf(value) === type || (type === "number" && typeOf(value) === "integer");
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const show = (value) => JSON.stringify(value);

function check(value, rule, path) {
  if (rule === true || typeof rule !== "object" || rule === null) return;
  const fail = (message) => problems.push({ path, message });
  const types = rule.type === undefined ? [] : [rule.type].flat();
  if (types.length > 0 && !types.some((type) => isOf(value, type))) fail(show(value) + " is not of type " + types.map((t) => "'" + t + "'").join(", "));
  if (rule.enum && !rule.enum.some((allowed) => same(allowed, value))) fail(show(value) + " is not one of " + show(rule.enum));
  if ("const" in rule && !same(rule.const, value)) fail(show(rule.const) + " was expected");
  if (typeof value === "number") checkNumber(value, rule, fail);
  if (typeof value === "string") checkText(value, rule, fail);
  if (Array.isArray(value)) checkList(value, rule, path, fail);
  else if (typeof value === "object" && value !== null) checkObject(value, rule, path, fail);
  checkMore(value, rule, path, fail);
}

function checkNumber(value, rule, fail) {
  if (value < rule.minimum) fail(value + " is less than the minimum of " + rule.minimum);
  if (value > rule.maximum) fail(value + " is greater than the maximum of " + rule.maximum);
  if (value <= rule.exclusiveMinimum) fail(value + " is less than or equal to the minimum of " + rule.exclusiveMinimum);
  if (value >= rule.exclusiveMaximum) fail(value + " is greater than or equal to the maximum of " + rule.exclusiveMaximum);
  if (rule.multipleOf && value % rule.multipleOf !== 0) fail(value + " is not a multiple of " + rule.multipleOf);
}

function checkText(value, rule, fail) {
  const length = [...value].length;
  if (length < rule.minLength) fail(show(value) + " is too short");
  if (length > rule.maxLength) fail(show(value) + " is too long");
  if (rule.pattern !== undefined && !new RegExp(rule.pattern, "u").test(value)) fail(show(value) + " does not match " + show(rule.pattern));
}

function checkList(value, rule, path, fail) {
  if (value.length < rule.minItems) fail(show(value) + " is too short");
  if (value.length > rule.maxItems) fail(show(value) + " is too long");
  if (rule.uniqueItems && new Set(value.map(show)).size < value.length) fail(show(value) + " has non-unique elements");
  value.forEach((item, i) => check(item, Array.isArray(rule.items) ? (rule.items[i] ?? rule.additionalItems) : rule.items, [...path, i]));
}

function checkObject(value, rule, path, fail) {
  for (const name of rule.required ?? []) if (!Object.hasOwn(value, name)) fail("'" + name + "' is a required property");
  for (const [name, member] of Object.entries(value)) {
    const known = rule.properties && Object.hasOwn(rule.properties, name) ? rule.properties[name] : undefined;
    if (known !== undefined) check(member, known, [...path, name]);
    else if (rule.additionalProperties === false) fail("Additional properties are not allowed ('" + name + "' was unexpected)");
    else check(member, rule.additionalProperties, [...path, name]);
  }
}

const fits = (value, rule) => {
  const before = problems.length;
  check(value, rule, []);
  return problems.splice(before).length === 0;
};

function checkMore(value, rule, path, fail) {
  for (const part of rule.allOf ?? []) check(value, part, path);
  if (rule.anyOf && !rule.anyOf.some((part) => fits(value, part))) fail(show(value) + " is not valid under any of the given schemas");
  if (rule.oneOf && rule.oneOf.filter((part) => fits(value, part)).length !== 1) fail(show(value) + " is not valid under exactly one of the given schemas");
  if (rule.not !== undefined && fits(value, rule.not)) fail(show(value) + " should not be valid under " + show(rule.not));
}

check(data, schema, []);
if (problems.length > 0) {
  problems.sort((a, b) => (show(a.path) < show(b.path) ? -1 : 1));
  throw new Error(problems.map(({ path, message }) => "Field [" + path.map((part) => (typeof part === "number" ? part : "'" + part + "'")).join(", ") + "]: " + message).join("; "));
}
return { validation_result: "success", validated_data: data };
`.trim();
