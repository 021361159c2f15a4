import { AppError } from "#server/kernel/errors.ts";
import { refusalOf } from "../calls/allow-tool.ts";
import { scanDefinition } from "../catalogue/scan/scan.ts";
import type { ServerCatalogue } from "../catalogue/server-catalogue.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import type { MayCall } from "./sample-call.ts";

/**
 * Of a registered server: what is approved, byte for byte as the test's own process lists it. As long as it has never listed anything,
 * what its first list would approve.
 */
export function approvedIn({ name: server, catalogueTrusted }: ServerRecord, catalogue: ServerCatalogue): MayCall {
  if (!catalogue.isKnown && catalogueTrusted) return unsuspicious;
  return ({ name, hash }) => {
    const known = catalogue.tool(name);
    if (known === undefined) return neverListed(name);
    const refusal = refusalOf({ server: { record: { name: server } } }, known);
    if (refusal !== undefined || known.hash === hash) return refusal;
    return new AppError("tool_changed", `The tool ${name} as the server lists it now is not approved.`);
  };
}

const neverListed = (name: string): AppError =>
  new AppError("mcp_tool_not_approved", `The tool ${name} is not approved: the server that runs has never listed it.`, {
    remedy: "Start the server, so that it lists its tools, and approve this one.",
  });

/** Of a launch that is not registered: what its registration would approve. */
export const unsuspicious: MayCall = ({ name, definition }) => {
  const [found] = scanDefinition(definition);
  if (found === undefined) return undefined;
  return new AppError("tool_suspicious", `The tool ${name} is not called: the scan of its definition has found ${found}.`, {
    remedy: "Register and start the server, read the findings, and approve the tool with `acceptFindings: true` if they are harmless.",
  });
};
