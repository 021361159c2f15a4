import pc from "picocolors";
import { z } from "zod";
import { ApiError } from "#sdk/client.ts";
import { AppError } from "#server/main.ts";
import { notice, printable } from "./output.ts";

/** Says what went wrong and what to do, on standard error. What a platform answers may quote a server, and must not steer the terminal. */
export function explain(error: unknown): void {
  if (error instanceof ApiError || error instanceof AppError) {
    notice(pc.red(printable(`${error.code}: ${error.message}`)));
    for (const issue of error.issues ?? [])
      notice(printable(`  ${[issue.nodeId, issue.path].filter(Boolean).join(" ")}: ${issue.message}`));
    notice(printable(error.remedy));
  } else if (error instanceof z.ZodError) {
    notice(pc.red("What was given does not fit:"));
    for (const { path, message } of error.issues) notice(printable(`  ${z.core.toDotPath(path)}: ${message}`));
  } else {
    notice(pc.red(error instanceof Error ? error.message : String(error)));
  }
}
