import type { Readable } from "node:stream";
import { LIMITS } from "#contract/limits.ts";
import { lineSplitter } from "../connection/line-splitter.ts";
import { readPaced } from "./paced.ts";

type Options = { onLine: (line: string) => void; onOverflow: () => void; onDropped: (lines: number) => void };

const LINE_BYTES = 64 * 1024;

/** The lines that a process writes to stderr. Of a flood, only the first of each second are looked at; the rest is counted. */
export function readStderr(stderr: Readable, { onLine, onOverflow, onDropped }: Options): void {
  const split = lineSplitter({ maxBytes: LINE_BYTES, onLine, onOverflow });
  let windowStart = performance.now();
  let bytes = 0;
  let isInLine = false;
  const onData = (chunk: Buffer): void => {
    const now = performance.now();
    if (now - windowStart >= 1_000) {
      windowStart = now;
      bytes = 0;
    }
    if (bytes < LIMITS.mcpStderrKeptBytesPerSecond) {
      split(chunk);
      isInLine = chunk.at(-1) !== LINE_BREAK;
    } else {
      onDropped(lineBreaks(chunk));
      isInLine = false;
    }
    bytes += chunk.length;
  };
  readPaced(stderr, { bytesPerSecond: LIMITS.mcpStderrBytesPerSecond, onData });
  stderr.on("error", () => {});
  // The last words of many programs have no line break.
  stderr.on("end", () => {
    if (isInLine) split(Buffer.of(LINE_BREAK));
  });
}

const LINE_BREAK = 10;

function lineBreaks(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(LINE_BREAK); at !== -1; at = chunk.indexOf(LINE_BREAK, at + 1)) count += 1;
  return count;
}
