import type { ToolSample } from "#contract/mcp/tests.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Database } from "#server/kernel/ports.ts";
import { parseDefinition } from "../catalogue/tool-definition.ts";
import { findTool } from "../catalogue/tools.pg.ts";
import type { MakeSample } from "./samples.ts";

type Deps = { database: Database; makeSample: MakeSample };

export const sampleOfTool =
  ({ database, makeSample }: Deps) =>
  async ({ tenantId }: Caller, toolId: string): Promise<ToolSample> => {
    const found = await database.asTenant(tenantId, (tx) => findTool(tx, toolId));
    if (!found) throw new AppError("not_found", `There is no tool ${toolId}.`);
    const { inputSchema, outputSchema } = parseDefinition(found.tool.text);
    return {
      toolId,
      hash: found.tool.hash,
      arguments: await makeSample.arguments(inputSchema),
      expected: {
        isError: false,
        structuredContent: outputSchema === undefined ? null : await makeSample.value(outputSchema),
        outputSchema: outputSchema ?? null,
      },
    };
  };
