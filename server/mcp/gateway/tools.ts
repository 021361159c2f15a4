import type { CallToolResult, Result } from "@modelcontextprotocol/server";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import type { CallTool } from "../calls/invoke-tool.ts";
import { isRecord } from "../connection/json-value.ts";
import { NotAnswered } from "../connection/open-call.ts";
import type { Client } from "./client.ts";
import { hasLeft } from "./disconnected.ts";
import { outputSchemaOf, pageOf, toolsOf, viewTool, type Exposure } from "./exposure.ts";
import type { Handler } from "./handler.ts";
import { exposeContent } from "./others.ts";
import { plain } from "./plain.ts";

export function listTools(exposure: Exposure, cursor: unknown): Result {
  const { items, ...rest } = pageOf(toolsOf(exposure), ({ name }) => name, typeof cursor === "string" ? cursor : undefined);
  return { tools: items.map(viewTool), ...rest };
}

export type ToolDeps = {
  call: CallTool;
  redactor: Redactor;
  /** Puts a structured result that is no object into the form that clients of the 2025 era expect. */
  project: (result: CallToolResult, outputSchema: Record<string, unknown> | undefined) => CallToolResult;
};

export const callTool =
  (
    { call, redactor, project }: ToolDeps,
    { exposure, isOne, actor, onLeft }: Pick<Client, "exposure" | "isOne" | "actor" | "onLeft">,
  ): Handler =>
  async ({ name, arguments: args }, { meta, ...asked }) => {
    const found = exposure.toolOf(String(name));
    if (found === undefined) throw new AppError("mcp_tool_unknown", "No server has it.");
    const { server, own: tool } = found;
    const given = isRecord(args) ? args : {};
    const invocation = { ...asked, server, tool, arguments: given, meta: meta(server), timeoutMs: LIMITS.mcpCallMs, actor };
    const result = await call(invocation).catch(async (thrown: unknown) => {
      if (hasLeft(asked.signal)) await onLeft({ server, tool });
      const told = asResult(thrown);
      if (told !== undefined) return told;
      throw thrown;
    });
    const isStructured = result.structuredContent !== undefined;
    const answer = plain(redactor, isStructured ? project(result, outputSchemaOf(server, tool)) : result);
    const { content } = answer;
    return isOne || !Array.isArray(content) ? answer : { ...answer, content: content.map((item) => exposeContent(exposure, server, item)) };
  };

/**
 * Arguments that do not fit are a result, so that the model which chose them can choose better ones; and so is what the client did not
 * answer when the server asked it.
 */
function asResult(thrown: unknown): CallToolResult | undefined {
  if (!(thrown instanceof AppError)) return undefined;
  const content: CallToolResult["content"] = [{ type: "text", text: thrown.message }];
  if (thrown instanceof NotAnswered) return { isError: true, content };
  if (thrown.code !== "request_invalid") return undefined;
  return { isError: true, content, _meta: { "auterity.dev/issues": [...(thrown.issues ?? [])] } };
}
