import type { Redactor } from "#server/kernel/ports.ts";
import type { ServerLogs } from "../supervision/server-logs.ts";

const LINES = 20;
const LINE_CHARS = 500;

/** Keeps the end of what a server says on stderr in memory, beside the log that people follow. Redacted before it is cut: half a secret is one that nobody knows. */
export function captureLogs(redactor: Redactor): { logs: ServerLogs; stderr: () => string } {
  const tail: string[] = [];
  const logs: ServerLogs = {
    add(_owner, stream, line) {
      if (stream !== "stderr") return;
      tail.push(redactor.text(typeof line === "string" ? line : line.text).slice(0, LINE_CHARS));
      if (tail.length > LINES) tail.shift();
    },
    drop: () => {},
    onWritten: () => () => {},
    flush: () => Promise.resolve(),
  };
  return { logs, stderr: () => tail.join("\n") };
}
