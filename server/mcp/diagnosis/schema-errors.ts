import type { ErrorObject } from "ajv";

/** What a schema expects at one place of a value. `extra`: it expects nothing to be there. */
export type Expectation = { way: string[]; expected: string; isExtra: boolean };

/** Everything that is expected elsewise, once for each place: alternatives of a choice, and several rules about one value, are put together. */
export function expectations(errors: readonly ErrorObject[]): Expectation[] {
  const choices = errors.filter(isChoice).filter((choice, _at, all) => !all.some((other) => other !== choice && isWithin(choice, other)));
  const found = errors.flatMap((error): Expectation[] => {
    if (choices.includes(error)) return [ofChoice(error, errors)];
    if (error.keyword === "if" || choices.some((choice) => isWithin(error, choice))) return [];
    return [ofRule(error)];
  });
  const byPlace = Map.groupBy(found, ({ way }) => JSON.stringify(way));
  return [...byPlace.values()].flatMap(([first, ...more]) => {
    if (first === undefined) return [];
    const texts = new Set([first, ...more].map(({ expected }) => expected));
    return [{ ...first, expected: [...texts].join(", and ") }];
  });
}

const isChoice = ({ keyword }: ErrorObject): boolean => keyword === "anyOf" || keyword === "oneOf";

/** Whether an error comes from an alternative of a choice. One that was referred to says so only by standing elsewhere in the document. */
function isWithin(error: ErrorObject, choice: ErrorObject): boolean {
  if (error === choice) return false;
  if (error.schemaPath.startsWith(`${choice.schemaPath}/`)) return true;
  const isBelow = error.instancePath === choice.instancePath || error.instancePath.startsWith(`${choice.instancePath}/`);
  return isBelow && /^#\/(\$defs|definitions)\//.test(error.schemaPath);
}

function ofChoice(choice: ErrorObject, errors: readonly ErrorObject[]): Expectation {
  const way = wayOf(choice.instancePath);
  const own = errors.filter((error) => !isChoice(error) && isWithin(error, choice)).map(ofRule);
  const texts = own.map((part) =>
    part.way.length === way.length ? part.expected : `${part.way.slice(way.length).join(".")}: ${part.expected}`,
  );
  const expected = texts.length === 0 ? (choice.message ?? choice.keyword) : [...new Set(texts)].join(" or ");
  return { way, expected, isExtra: false };
}

function ofRule({ keyword, instancePath, params, message }: ErrorObject): Expectation {
  const way = wayOf(instancePath);
  const missing: unknown = params["missingProperty"];
  if (typeof missing === "string") return { way: [...way, missing], expected: "a value", isExtra: false };
  const extra: unknown = params["additionalProperty"] ?? params["unevaluatedProperty"];
  if (typeof extra === "string") return { way: [...way, extra], expected: "no value of this name", isExtra: true };
  return { way, expected: ruleText(keyword, params) ?? message ?? keyword, isExtra: false };
}

function ruleText(keyword: string, params: Record<string, unknown>): string | undefined {
  const { type, allowedValues, allowedValue } = params;
  if (keyword === "type") return Array.isArray(type) ? type.join(" or ") : String(type);
  if (keyword === "enum" && Array.isArray(allowedValues)) return `one of ${allowedValues.map((value) => JSON.stringify(value)).join(", ")}`;
  return keyword === "const" ? JSON.stringify(allowedValue) : undefined;
}

const wayOf = (pointer: string): string[] =>
  pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
