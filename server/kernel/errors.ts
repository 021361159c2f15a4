import type { Json } from "#contract/common.ts";
import { REMEDY, type ErrorCode, type Issue } from "#contract/errors.ts";

type Options = ErrorOptions & {
  /** What is wrong where, for errors about a document. */
  issues?: readonly Issue[];
  /** A remedy better than the code's own. */
  remedy?: string;
  /** Whether trying the same again later can help. */
  retryable?: boolean;
  /** How long the other side asks to wait before trying again. */
  retryAfterMs?: number;
  /** What the caller has to answer before it goes on. */
  input?: Record<string, Json>;
};

/**
 * The one class of expected errors. `code` says which; `message` says what was expected and what came; `remedy` says
 * what to do next. Anything else that is thrown is a bug and reaches callers as `internal`.
 */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly remedy: string;
  readonly issues: readonly Issue[] | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly input: Record<string, Json> | undefined;

  constructor(code: ErrorCode, message: string, options: Options = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy ?? REMEDY[code];
    this.issues = options.issues;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.input = options.input;
  }
}

/** The `AppError` itself, or `internal` with the thing thrown as its cause. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  return new AppError("internal", "Something unexpected happened.", { cause: thrown });
}
