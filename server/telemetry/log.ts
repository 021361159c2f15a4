import pino, { type Logger } from "pino";
import type { Log } from "#server/kernel/log.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import { logFields } from "./log-fields.ts";
import { prettyLine } from "./pretty-line.ts";

export type LogOptions = {
  level: "debug" | "info" | "warn" | "error";
  /** `pretty` is for a person at a terminal; `json` is one object a line, for everything else. */
  format: "json" | "pretty";
  redactor: Redactor;
  /** Where lines go: stdout or stderr of the process, or a test's list. */
  write: (line: string) => void;
};

/** The logger of the process. Every message and field passes the redactor before it is written. */
export function createLog({ level, format, redactor, write }: LogOptions): Log {
  const stream = { write: (line: string): void => write(format === "pretty" ? prettyLine(line) : line) };
  const logger = pino(
    {
      level,
      base: undefined,
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return wrap(logger, redactor);
}

function wrap(logger: Logger, redactor: Redactor): Log {
  const at =
    (level: LogOptions["level"]) =>
    (message: string, fields: Record<string, unknown> = {}): void => {
      if (logger.isLevelEnabled(level)) logger[level](redactor.json(logFields(fields)), redactor.text(message));
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => wrap(logger.child(redactor.json(logFields(fields))), redactor),
  };
}
