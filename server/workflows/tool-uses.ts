import type { Json } from "#contract/common.ts";
import type { Definition } from "#contract/definition.ts";
import { parseText } from "#engine/index.ts";
import { COMPUTED, type KnownValue } from "../kernel/known-value.ts";

/** A node that calls a tool; `at` is its place among the nodes. */
export type ToolUse = { at: number; nodeId: string; server: string; tool: string; arguments: KnownValue };

/** The nodes that call tools, also those in containers. */
export const toolUses = ({ nodes }: Definition): ToolUse[] =>
  nodes.flatMap((node, at) => {
    if (node.type !== "mcp_tool") return [];
    const { server, tool, arguments: args } = node.data;
    return [{ at, nodeId: node.id, server, tool, arguments: knownValue(args) }];
  });

/** Texts as they are read, and `COMPUTED` for expressions and templates. */
function knownValue(value: Json): KnownValue {
  if (typeof value === "string") {
    const read = parseText(value);
    return read.kind === "literal" ? read.text : COMPUTED;
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(knownValue);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, knownValue(member)]));
}
