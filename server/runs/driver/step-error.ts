import { classOf } from "#contract/error-classes.ts";
import type { StepError } from "#contract/journal.ts";
import { ExpressionError, stepErrorOf } from "#engine/index.ts";
import { toAppError } from "../../kernel/errors.ts";

const CAUSE_CHARS = 2_000;

/** What the journal says about a failure. Bugs keep their message to the log; what others answered is shortened. */
export function toStepError(thrown: unknown): StepError {
  if (thrown instanceof ExpressionError) return stepErrorOf(thrown);
  const { code, message, remedy, retryable, issues, cause } = toAppError(thrown);
  const theirs = code === "internal" ? undefined : causeText(cause);
  return {
    code,
    message,
    remedy,
    retryable,
    class: classOf(code, { retryable }),
    ...(issues && { issues: [...issues] }),
    ...(theirs !== undefined && { cause: theirs }),
  };
}

function causeText(cause: unknown): string | undefined {
  const text = cause instanceof Error ? cause.message : cause;
  return typeof text === "string" && text !== "" ? text.slice(0, CAUSE_CHARS) : undefined;
}
