import { AppError } from "../kernel/errors.ts";
import { sqlState } from "../kernel/pg-errors.ts";

/** Connection exceptions, operator intervention, too many connections, wrong or missing login. */
const UNAVAILABLE = /^(08|57P0|53|28|3D000|25006)/;
const SOCKET_CODES: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOENT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/**
 * What a failure of `pg` becomes for the rest of the platform. A lost or refused connection is `database_unavailable`;
 * errors that PostgreSQL answered with stay what they are, so that `isUniqueViolation` works, but without the values they quote.
 * `connectionLost` says that the client has reported its connection broken: `pg` rejects what was waiting with plain errors.
 */
export function translatePgFailure(error: unknown, connectionLost = false): unknown {
  if (error instanceof AppError) return error;
  const state = sqlState(error);
  if (state !== undefined && !UNAVAILABLE.test(state)) return withoutValues(error);
  if (state === undefined && !connectionLost && !isSocketError(error)) return error;
  const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
  return new AppError("database_unavailable", `The connection to PostgreSQL was refused or lost${code}.`, {
    cause: withoutValues(error),
    retryable: true,
  });
}

function isSocketError(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isSocketError);
  return error instanceof Error && "code" in error && SOCKET_CODES.has(error.code);
}

/** Fields in which PostgreSQL quotes what it was given. `hint` and the names of table, column and constraint stay. */
const QUOTING_FIELDS = ["detail", "where", "internalQuery"] as const;

/** Changes the error itself: its class and stack are worth keeping, and nobody else holds it yet. */
function withoutValues(error: unknown): unknown {
  const state = sqlState(error);
  if (!(error instanceof Error) || state === undefined) return error;
  for (const field of QUOTING_FIELDS) if (field in error) Object.assign(error, { [field]: undefined });
  // Class 22, data exceptions: the value is in the message, between the first and the last quotation mark.
  if (state.startsWith("22")) {
    const message = error.message.replaceAll(/".*"/gs, '"…"');
    error.stack = error.stack?.replace(error.message, message);
    error.message = message;
  }
  return error;
}
