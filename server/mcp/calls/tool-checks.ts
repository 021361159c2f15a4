import type { CallToolResult } from "@modelcontextprotocol/client";
import { LRUCache } from "lru-cache";
import { AppError } from "#server/kernel/errors.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import { asCalled, parseDefinition, type Definition } from "../catalogue/tool-definition.ts";
import { schemaCheck } from "../connection/validators.ts";

/** What the approved definition of a tool asks of each call. */
export type ToolCheck = {
  definition: ReturnType<typeof asCalled>;
  /** Throws `request_invalid`. */
  arguments(args: unknown): void;
  /** The same result, if it is what the definition promises; else throws `mcp_protocol_error`. */
  result(result: CallToolResult): CallToolResult;
};

/** Compiled once per definition. Throws `mcp_protocol_error` for a schema that cannot be used. */
export function createToolChecks(): { of(tool: PinnedTool): ToolCheck } {
  const known = new LRUCache<string, ToolCheck>({ max: 2_000 });
  return {
    of(tool) {
      const found = known.get(tool.hash);
      if (found) return found;
      const made = makeCheck(parseDefinition(tool.text));
      known.set(tool.hash, made);
      return made;
    },
  };
}

function makeCheck(definition: Definition): ToolCheck {
  const { name, inputSchema, outputSchema } = definition;
  const input = schemaCheck(inputSchema, `The input schema of ${name}`, "arguments");
  const output = outputSchema && schemaCheck(outputSchema, `The output schema of ${name}`, "structuredContent");
  return {
    definition: asCalled(definition),
    arguments: (args) => {
      const issues = input(args);
      const [first] = issues;
      if (first === undefined) return;
      throw new AppError("request_invalid", `The arguments do not fit the tool ${name}: ${first.path} ${first.message}.`, { issues });
    },
    result: (result) => {
      if (output === undefined || result.isError === true) return result;
      const missing = [{ path: "structuredContent", message: "is missing", code: "required" }];
      const issues = result.structuredContent === undefined ? missing : output(result.structuredContent);
      const [first] = issues;
      if (first === undefined) return result;
      throw new AppError(
        "mcp_protocol_error",
        `The result of ${name} is not what its output schema says: ${first.path} ${first.message}.`,
        {
          issues,
          remedy: "Correct the server: its result breaks its own output schema.",
        },
      );
    },
  };
}
