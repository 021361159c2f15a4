const SQLSTATE = /^[0-9A-Z]{5}$/;

/** The SQLSTATE of an error that PostgreSQL itself answered with; undefined for everything else. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("severity" in error)) return undefined;
  return typeof error.code === "string" && SQLSTATE.test(error.code) ? error.code : undefined;
}

/** Whether a statement broke a unique constraint or index: any, or the one of this name. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return sqlState(error) === "23505" && (constraint === undefined || constraintOf(error) === constraint);
}

/** Whether a statement named a row that is not there, or removed one that others name. */
export function isForeignKeyViolation(error: unknown, constraint?: string): boolean {
  return sqlState(error) === "23503" && (constraint === undefined || constraintOf(error) === constraint);
}

/** Whether the same transaction can succeed when tried again: deadlock or serialisation failure. */
export function isTransactionConflict(error: unknown): boolean {
  const state = sqlState(error);
  return state === "40P01" || state === "40001";
}

function constraintOf(error: unknown): unknown {
  return error instanceof Error && "constraint" in error ? error.constraint : undefined;
}
