/** A structured logger. Fields never hold secrets: the sink redacts, but do not rely on it. */
export type Log = {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** The same logger with fields added to every line. */
  with(fields: Record<string, unknown>): Log;
};

const nothing = (): void => {};
/** Writes nowhere; for tests and short-lived tools. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, with: () => silentLog };

/** Runs `task` without waiting for it; a failure is logged under `name` instead of being lost. */
export function background(log: Log, name: string, task: () => Promise<unknown>): void {
  task().catch((error: unknown) => log.error(`${name} failed`, { error }));
}
