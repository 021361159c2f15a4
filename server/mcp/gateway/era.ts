import { SUPPORTED_PROTOCOL_VERSIONS, classifyInboundRequest } from "@modelcontextprotocol/server";
import type { McpRequest } from "#server/kernel/mcp-endpoint.ts";

const header = ({ headers }: Pick<McpRequest, "headers">, name: string): string | undefined => {
  const value = headers[name];
  return typeof value === "string" ? value.trim() : undefined;
};

/**
 * Whether a request belongs to the era without sessions, or claims a revision that nobody knows: the SDK's own handler
 * answers those, its errors included.
 */
export function isStateless(request: McpRequest): boolean {
  const version = header(request, "mcp-protocol-version");
  if (version !== undefined && !SUPPORTED_PROTOCOL_VERSIONS.includes(version)) return true;
  if (request.method !== "POST" || header(request, "mcp-session-id") !== undefined) return false;
  const mcpMethodHeader = header(request, "mcp-method");
  const mcpNameHeader = header(request, "mcp-name");
  const outcome = classifyInboundRequest({
    httpMethod: request.method,
    body: request.body,
    ...(version !== undefined && { protocolVersionHeader: version }),
    ...(mcpMethodHeader !== undefined && { mcpMethodHeader }),
    ...(mcpNameHeader !== undefined && { mcpNameHeader }),
  });
  return outcome.kind !== "legacy";
}

/** What the 2025 era expects a client to accept: an answer may be a document or a stream. Undefined when it does. */
export function unacceptable({ method, headers }: Pick<McpRequest, "method" | "headers">): string | undefined {
  const accepted = (headers.accept ?? "").toLowerCase();
  const expected = method === "GET" ? ["text/event-stream"] : ["application/json", "text/event-stream"];
  const isFine = accepted.includes("*/*") || expected.every((type) => accepted.includes(type));
  return isFine ? undefined : `expected to be asked with \`accept: ${expected.join(", ")}\``;
}
