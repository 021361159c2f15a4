import pc from "picocolors";
import { ApiError } from "#sdk/client.ts";
import { AppError } from "#server/main.ts";
import { notice } from "./output.ts";

/** Says what went wrong and what to do, on standard error. */
export function explain(error: unknown): void {
  if (error instanceof ApiError || error instanceof AppError) {
    notice(pc.red(`${error.code}: ${error.message}`));
    for (const issue of error.issues ?? []) notice(`  ${[issue.nodeId, issue.path].filter(Boolean).join(" ")}: ${issue.message}`);
    notice(error.remedy);
  } else {
    notice(pc.red(error instanceof Error ? error.message : String(error)));
  }
}
