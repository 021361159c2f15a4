import pc from "picocolors";
import { z } from "zod";
import { ApiError } from "#sdk/client.ts";
import { AppError } from "#server/main.ts";
import { notice, printable, yamlText } from "./output.ts";

export { endWithReader } from "./output.ts";

/** Says what went wrong and what to do, on standard error. What a platform answers may quote a server, and must not steer the terminal. */
export function explain(error: unknown): void {
  if (error instanceof ApiError || error instanceof AppError) return explainCoded(error);
  if (error instanceof z.ZodError) {
    notice(pc.red("What was given does not fit:"));
    for (const { path, message } of error.issues) notice(printable(`  ${z.core.toDotPath(path) || "the whole"}: ${message}`));
    return;
  }
  notice(pc.red(printable(error instanceof Error ? error.message : String(error))));
  const refusal = unreachable(error);
  if (refusal === undefined) return;
  notice(printable(`  ${refusal}`));
  notice("Start the platform (`npm start`), or say where it is: --url, or AUTERITY_HOST and AUTERITY_PORT.");
}

function explainCoded(error: ApiError | AppError): void {
  notice(pc.red(printable(`${error.code}: ${error.message}`)));
  for (const issue of error.issues ?? []) notice(printable(`  ${[issue.nodeId, issue.path].filter(Boolean).join(" ")}: ${issue.message}`));
  const input = error instanceof ApiError ? error.problem.input : undefined;
  if (input !== undefined) notice(yamlText({ input }).trimEnd());
  notice(printable(error.code === "unauthenticated" ? TOKEN : error.remedy));
}

const TOKEN =
  "Give an API token: --token, AUTERITY_BOOTSTRAP_TOKEN, or the file owner-token in the data dir of the platform (AUTERITY_DATA_DIR).";

/** Why `fetch` has not reached anybody, if that is what went wrong: it says so only in its cause, or in the causes of that. */
function unreachable(error: unknown): string | undefined {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return undefined;
  const { cause } = error;
  const all: unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  return all.map((one) => (one instanceof Error ? one.message : String(one))).join("; ");
}
