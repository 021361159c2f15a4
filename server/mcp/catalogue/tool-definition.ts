import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { Effect } from "#contract/policy.ts";
import type { Tool as ToolView } from "#contract/mcp/tools.ts";
import { parseJson } from "#contract/parse-json.ts";
import { isRecord } from "../connection/json-value.ts";
import { canonicalJson, sha256 } from "./canonical.ts";
import { headerFault } from "./mirrored-headers.ts";

/** More than a person could review; what lies beyond is left out and said so in the log. */
export const MOST_TOOLS = 1_000;
const LONGEST_DEFINITION = 256 * 1024;
/**
 * The names that the specification recommends, without those that every JavaScript object has. Others could imitate a name, or break out
 * of where names are shown or looked up.
 */
const TOOL_NAME = /^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$/;

const Members = z.record(z.string(), Json);

/** All that a server says about a tool, and about how to use it: what is pinned. Anything else it sends is not used. */
export const Definition = z.object({
  name: z.string(),
  title: z.string().optional(),
  description: z.string().optional(),
  inputSchema: Members,
  outputSchema: Members.optional(),
  annotations: Members.optional(),
  icons: z.array(Json).optional(),
  _meta: Members.optional(),
  instructions: z.string().optional(),
});
export type Definition = z.infer<typeof Definition>;

/** A tool as a server lists it now. `text` is the canonical form of `definition`, `hash` its SHA-256. */
export type ListedTool = { name: string; text: string; hash: string; definition: Definition };

/** Reads one listed tool, or says why it cannot be used. */
export function readTool(raw: unknown, instructions: string | undefined): ListedTool | { refused: string } {
  const parsed = Definition.safeParse(typeof raw === "object" && raw !== null ? { ...raw, instructions } : raw);
  if (!parsed.success) return { refused: "a tool whose definition does not follow the protocol" };
  const { name } = parsed.data;
  if (!TOOL_NAME.test(name) || name in Object.prototype)
    return { refused: `a tool whose name is not allowed: ${JSON.stringify(name.slice(0, 80))}` };
  const text = canonicalJson(parsed.data);
  if (text === undefined) return { refused: `${name}: its definition is not well-formed Unicode` };
  if (text.length > LONGEST_DEFINITION) return { refused: `${name}: its definition is longer than ${LONGEST_DEFINITION} characters` };
  const fault = headerFault(parsed.data.inputSchema);
  if (fault !== undefined) return { refused: `${name}: its ${fault}` };
  return { name, text, hash: sha256(text), definition: parsed.data };
}

/** What a tool's own annotations claim. Only an approval makes it count. */
export function proposedEffect(annotations: Readonly<Record<string, unknown>> | undefined): Effect {
  if (annotations?.["readOnlyHint"] === true) return "none";
  return annotations?.["idempotentHint"] === true ? "idempotent" : "once";
}

export const parseDefinition = (text: string): Definition => Definition.parse(parseJson(text));

/** As much of a definition as the protocol's client wants to know when it calls the tool. */
export const asCalled = ({ name, inputSchema }: Definition) => ({ name, inputSchema: { ...inputSchema, type: "object" as const } });

const LONGEST_SEARCHED = 4_000;

/** The words by which a tool is found: what it is called and said to do, and its parameters. In lower case, shortened. */
export function searchText({ name, title = "", description = "", inputSchema }: Definition): string {
  const parameters = Object.entries(isRecord(inputSchema["properties"]) ? inputSchema["properties"] : {});
  const described = parameters.map(([key, schema]) => `${key} ${isRecord(schema) ? toText(schema["description"]) : ""}`);
  const text = [name, title, description, ...described].join("\n").toLowerCase();
  // PostgreSQL cannot store NUL; half a surrogate pair is not UTF-8.
  return text.slice(0, LONGEST_SEARCHED).toWellFormed().replaceAll("\0", "");
}

const toText = (value: unknown): string => (typeof value === "string" ? value : "");

type Shown = Pick<ToolView, "title" | "description" | "inputSchema" | "outputSchema" | "annotations">;

/** The parts of a definition that callers see. */
export function showDefinition(definition: Definition): Shown {
  const { title, description, inputSchema, outputSchema, annotations } = definition;
  return {
    title: title ?? null,
    description: description ?? "",
    inputSchema,
    outputSchema: outputSchema ?? null,
    annotations: annotations ?? {},
  };
}
