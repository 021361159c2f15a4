/**
 * A server some of whose tools ask clients for headers in ways that no client can follow (M-19), made with the SDK. It speaks both eras:
 * over stdio when run, over HTTP by `headerToolsHttpServer`.
 */
import { McpServer, createMcpHandler } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { httpServer, webHandler, type HttpFixture } from "./modern-server.ts";

type Schema = Record<string, unknown>;
const asks = (header: unknown, type = "string"): Schema => ({ type, "x-mcp-header": header });
const takes = (properties: Schema, more: Schema = {}): Schema => ({ type: "object", properties, ...more });

/** Tools that clients must leave out. */
export const REFUSED_TOOLS: Record<string, Schema> = {
  empty: takes({ a: asks("") }),
  two_lines: takes({ a: asks("Region\r\nX-Evil: 1") }),
  a_space: takes({ a: asks("My Region") }),
  no_text: takes({ a: asks(7) }),
  twice: takes({ a: asks("Region"), b: asks("Region") }),
  twice_in_another_case: takes({ a: asks("Region"), b: takes({ c: asks("rEGION") }) }),
  under_items: takes({ a: { type: "array", items: asks("Region") } }),
  deep_under_items: takes({ a: { type: "array", items: takes({ b: asks("Region") }) } }),
  under_one_item: takes({ a: { type: "array", prefixItems: [{}, asks("Region")] } }),
  under_a_choice: takes({}, { anyOf: [takes({ a: asks("Region") }), {}] }),
  under_a_condition: takes({}, { if: takes({ a: {} }), else: takes({ a: asks("Region") }) }),
  under_others: takes({}, { additionalProperties: asks("Region") }),
  under_a_pattern: takes({}, { patternProperties: { "^a": asks("Region") } }),
  under_a_definition: takes({ a: { $ref: "#/$defs/a" } }, { $defs: { a: asks("Region") } }),
  of_the_whole: takes({}, { "x-mcp-header": "Region" }),
  of_an_object: takes({ a: asks("Region", "object") }),
  of_any_number: takes({ a: asks("Region", "number") }),
  of_no_type: takes({ a: { "x-mcp-header": "Region" } }),
};

/** Tools that are as they should be. */
export const KEPT_TOOLS: Record<string, Schema> = {
  plain: takes({ a: { type: "string" } }),
  region: takes({ region: asks("Region"), "x-mcp-header": { type: "string" }, b: { type: "object", default: { "x-mcp-header": "" } } }),
  nested: takes({ where: takes({ zone: asks("Zone", "integer"), here: asks("Here", "boolean") }) }),
};

function newServer(): McpServer {
  const mcp = new McpServer({ name: "header-tools", version: "1.0.0" }, { capabilities: { tools: {} } });
  const tools = Object.entries({ ...REFUSED_TOOLS, ...KEPT_TOOLS }).map(([name, schema]) => ({
    name,
    inputSchema: { ...schema, type: "object" as const },
    annotations: { readOnlyHint: true },
  }));
  mcp.server.setRequestHandler("tools/list", () => ({ tools }));
  mcp.server.setRequestHandler("tools/call", ({ params }) => ({
    content: [{ type: "text" as const, text: JSON.stringify({ [params.name]: params.arguments }) }],
  }));
  return mcp;
}

export function headerToolsHttpServer(): Promise<HttpFixture> {
  const mcp = createMcpHandler(newServer);
  return httpServer(webHandler((request) => mcp.fetch(request)));
}

if (process.argv[1]?.endsWith("header-tools-server.ts")) serveStdio(newServer);
