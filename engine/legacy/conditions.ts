/* The conditions of old steps as expressions on the bag. */
import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { Fields } from "./graph.ts";
import { lookup } from "./text.ts";

const OPERATORS = ["equals", "not_equals", "contains", "greater_than", "less_than", "in", "not_in", "at_least", "at_most"] as const;
const Condition = z.object({
  field: z.string().min(1),
  operator: z.enum(OPERATORS),
  value: Json,
  logicalOperator: z.enum(["and", "or"]).catch("and"),
});
type Condition = z.infer<typeof Condition>;

/** Undefined when the step has no condition that can be understood. */
export function conditionOf(config: Fields, bag: string): string | undefined {
  const conditions = z.array(Condition).min(1).safeParse(config["conditions"]);
  const known = conditions.success ? conditions.data : fromText(config["condition"]);
  if (!known) return undefined;
  // As the builder joined them: each condition's own operator leads on to the next one.
  const all = known.map((condition, i) => `${i === 0 ? "" : ` ${known[i - 1]?.logicalOperator ?? "and"} `}(${test(condition)})`).join("");
  return `($b := ${bag}; ${all})`;
}

const SIGNS: Readonly<Record<string, Condition["operator"]>> = {
  "=": "equals",
  "==": "equals",
  "===": "equals",
  "!=": "not_equals",
  "!==": "not_equals",
  ">": "greater_than",
  "<": "less_than",
  ">=": "at_least",
  "<=": "at_most",
};
const COMPARISON = /^\s*([A-Za-z_][\w.]*)\s*(===?|!==?|>=|<=|=|>|<)\s*("[^"]*"|'[^']*'|-?\d+(?:\.\d+)?|true|false)\s*$/;

/** `field > 70` and the like; anything else is not guessed at. */
function fromText(text: Json | undefined): Condition[] | undefined {
  const [, field, sign, raw] = (typeof text === "string" && COMPARISON.exec(text)) || [];
  const operator = SIGNS[sign ?? ""];
  if (field === undefined || raw === undefined || !operator) return undefined;
  const value = Json.parse(raw.startsWith("'") || raw.startsWith('"') ? raw.slice(1, -1) : JSON.parse(raw));
  return [{ field, operator, value, logicalOperator: "and" }];
}

function test({ field, operator, value }: Condition): string {
  const found = lookup("$b", field);
  const json = JSON.stringify(value);
  switch (operator) {
    case "equals":
      return `${found} = ${json}`;
    case "not_equals":
      return `$not(${found} = ${json})`;
    case "contains":
      return `($v := ${found}; $type($v) = "array" ? ${json} in $v : $contains($string($v), ${JSON.stringify(typeof value === "string" ? value : json)}))`;
    case "in":
      return `${found} in ${list(value)}`;
    case "not_in":
      return `$not(${found} in ${list(value)})`;
    default:
      return compare(found, ORDER[operator], Number(value));
  }
}

const list = (value: Json): string => JSON.stringify(Array.isArray(value) ? value : [value]);
const ORDER = { greater_than: ">", less_than: "<", at_least: ">=", at_most: "<=" } as const;

/** Numbers, and texts that are numbers; anything else is neither more nor less. */
function compare(found: string, sign: string, value: number): string {
  if (Number.isNaN(value)) return "false";
  const number = `$type($v) = "string" and $contains($v, /^-?[0-9]+([.][0-9]+)?$/) ? $number($v) : $v`;
  return `($v := ${found}; $n := ${number}; $type($n) = "number" ? $n ${sign} ${value} : false)`;
}
