import { LIMITS } from "#contract/limits.ts";
import { AppError } from "../../kernel/errors.ts";

/** `step_output_too_large` when a step returned more than a journal row may hold. */
export function tooLarge(sizeBytes: number): AppError | undefined {
  if (sizeBytes <= LIMITS.stepOutputBytes) return undefined;
  return new AppError(
    "step_output_too_large",
    `Expected at most ${LIMITS.stepOutputBytes} bytes of output; the step returned ${sizeBytes}.`,
  );
}
