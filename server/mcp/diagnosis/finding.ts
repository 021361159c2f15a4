import type { CheckFinding } from "#contract/mcp/tests.ts";
import type { AppError } from "#server/kernel/errors.ts";
import { causeOf } from "./explain-failure.ts";

/** Something that is wrong, and where; by default nothing works because of it. */
export type Found = Pick<CheckFinding, "path"> &
  Partial<Pick<CheckFinding, "severity" | "cause" | "expected" | "got">> & { error: AppError };

export const finding = ({ error, severity = "error", cause, ...where }: Found): CheckFinding => ({
  ...where,
  severity,
  code: error.code,
  message: error.message,
  cause: cause ?? causeOf(error),
  remedy: error.remedy,
});
