import type { Readable } from "node:stream";

type Pace = {
  /** More than this in a second is not read until the next one; the writer has to wait. */
  bytesPerSecond: number;
  onData: (chunk: Buffer) => void;
};

/** Reads a stream, but never faster than the pace, so that a flood costs its writer and not this process. */
export function readPaced(stream: Readable, { bytesPerSecond, onData }: Pace): void {
  let windowStart = performance.now();
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    const now = performance.now();
    if (now - windowStart >= 1_000) {
      windowStart = now;
      bytes = 0;
    }
    bytes += chunk.length;
    onData(chunk);
    if (bytes < bytesPerSecond || stream.destroyed) return;
    stream.pause();
    setTimeout(() => stream.resume(), windowStart + 1_000 - now).unref();
  });
}
