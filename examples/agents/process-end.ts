import { fstatSync } from "node:fs";

/**
 * Resolves when this process should end: on SIGTERM or SIGINT, or when whoever started it goes away, however it goes. The
 * latter shows as the end of standard input, if that is a pipe; a terminal or /dev/null says nothing.
 */
export function processEnd(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
    const stdin = fstatSync(0);
    if (!stdin.isFIFO() && !stdin.isSocket()) return;
    process.stdin.once("end", () => resolve());
    process.stdin.once("error", () => resolve());
    process.stdin.resume();
  });
}
