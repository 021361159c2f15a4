import { classOf } from "#contract/error-classes.ts";
import { FAILURE_CAUSES, isFailureCode, type ConnectionFailureView, type FailureEvidence } from "#contract/mcp/failures.ts";
import type { AppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import { ConnectionFailure } from "../connection/connection-failure.ts";

export const causeOf = (error: AppError): string => {
  if (error instanceof ConnectionFailure) return error.likelyCause;
  return isFailureCode(error.code) ? FAILURE_CAUSES[error.code] : "";
};

/** A failure as a report shows it: redacted. `seen` is what was seen beside the failure's own evidence. */
export function explainFailure(error: AppError, redactor: Redactor, seen: FailureEvidence): ConnectionFailureView {
  const { code, message, remedy } = error;
  const evidence = { ...seen, ...(error instanceof ConnectionFailure && error.evidence) };
  return redactor.json({ code, class: classOf(code, error), message, cause: causeOf(error), remedy, evidence });
}
