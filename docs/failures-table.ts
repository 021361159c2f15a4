import { FAILURE_CAUSES, FAILURE_CODES } from "#contract/mcp/failures.ts";
import { REMEDY } from "#contract/errors.ts";

/** The table of the guide, from the contract: a class of failure, its likely cause, and what to do. */
export function failuresTable(): string {
  const rows = FAILURE_CODES.map((code) => `| \`${code}\` | ${FAILURE_CAUSES[code]} | ${REMEDY[code]} |`);
  return ["| class | likely cause | remedy |", "|---|---|---|", ...rows].join("\n");
}
