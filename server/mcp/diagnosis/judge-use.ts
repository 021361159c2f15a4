import { AppError } from "#server/kernel/errors.ts";
import type { KnownValue } from "#server/kernel/known-value.ts";
import { refusalOf } from "../calls/allow-tool.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import type { ServerCatalogue } from "../catalogue/server-catalogue.ts";
import type { Found } from "./finding.ts";
import type { JudgeArguments } from "./judge-arguments.ts";

/** A step that calls a tool, as far as it is known before a run. */
export type StepUse = { tool: string; arguments: KnownValue };

type Listing = { server: string; catalogue: ServerCatalogue };

const TOOLS_SHOWN = 20;

/**
 * Why a step cannot call what it names, as its server lists it now. Paths begin with `tool` or `arguments`. A server that has never
 * listed anything says nothing.
 */
export const judgeUse =
  (judge: JudgeArguments) =>
  ({ server, catalogue }: Listing, use: StepUse): Found[] => {
    if (!catalogue.isKnown) return [];
    const tool = catalogue.tool(use.tool);
    if (tool === undefined) return [unlisted(server, catalogue, use.tool)];
    return [...unusable(server, tool), ...unfit(judge, tool, use)];
  };

function unlisted(server: string, catalogue: ServerCatalogue, name: string): Found {
  const names = catalogue.listed().map((tool) => tool.name);
  const more = names.length > TOOLS_SHOWN ? `, and ${names.length - TOOLS_SHOWN} more` : "";
  return {
    path: "tool",
    error: new AppError("mcp_tool_unknown", `The server ${server} has no tool ${name}.`),
    expected: names.length === 0 ? "no tool: the server lists none" : `one of ${names.slice(0, TOOLS_SHOWN).join(", ")}${more}`,
    got: name,
  };
}

function unusable(server: string, tool: PinnedTool): Found[] {
  const refusal = refusalOf({ server: { record: { name: server } } }, tool);
  if (refusal === undefined) return [];
  const got = tool.isDisabled ? "disabled" : tool.approval;
  return [{ path: "tool", error: refusal, expected: "a tool that is approved as it is listed", got }];
}

function unfit(judge: JudgeArguments, tool: PinnedTool, use: StepUse): Found[] {
  try {
    return judge(tool, use.arguments).map(({ path, expected, got }) => ({
      path,
      error: new AppError("request_invalid", `The tool ${tool.name} expects ${expected} at ${path}; the step has ${got}.`, {
        remedy: "Correct the step's arguments; `GET /api/v1/tools/{id}/sample` shows some that fit.",
      }),
      cause: "The step was written for another tool, or for an earlier definition of this one.",
      expected,
      got,
    }));
  } catch (cause) {
    const error = new AppError("mcp_schema_unusable", `The input schema of ${tool.name} cannot be used: ${String(cause)}`.slice(0, 500), {
      cause,
      remedy: "Correct the schema in the server.",
    });
    return [{ path: "tool", error }];
  }
}
