import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { StdioTransport } from "../connection/stdio-transport.ts";
import type { ServerProcess } from "./server-process.ts";
import { readStderr } from "./stderr-lines.ts";

/** Time stands still unless a test lets it pass. */
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

const KIB = 1024;
const SECOND_MS = 1_000;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What a process writes that never waits: so many chunks. `taken` is what has been read of it. */
function flood(chunk: Buffer, count: number) {
  let pushed = 0;
  const stream = new Readable({
    highWaterMark: chunk.length,
    read() {
      this.push(pushed < count ? chunk : null);
      pushed = Math.min(count, pushed + 1);
    },
  });
  return { stream, taken: () => pushed * chunk.length - stream.readableLength };
}

/** Until nothing more is read at this time. */
async function held({ stream }: { stream: Readable }): Promise<void> {
  while (!stream.isPaused() && !stream.readableEnded) await turn();
}

function stdoutOf(count: number) {
  const line = Buffer.alloc(1024 * KIB, " ");
  line[line.length - 1] = 10;
  const written = flood(line, count);
  const child = Object.assign(new PassThrough(), { stdin: new PassThrough(), stdout: written.stream, exitCode: null, signalCode: null });
  const process = { pid: 1, child } as unknown as ServerProcess;
  const fatal = vi.fn<(error: Error) => void>();
  const frames = { sent: () => {}, received: () => {} };
  const transport = new StdioTransport({ process, frames, onGarbage: () => {}, onFlood: () => {}, onFatal: fatal });
  return { ...written, transport, fatal, lines: (bytes: number) => bytes / line.length };
}

test("mcpStdoutBytesPerSecond: as much is read at once; what is beyond waits for the next second, and then is read", async () => {
  const most = LIMITS.mcpStdoutBytesPerSecond / (1024 * KIB);
  const stdout = stdoutOf(most + 2);
  await stdout.transport.start();
  await held(stdout);
  expect(stdout.taken()).toBe(LIMITS.mcpStdoutBytesPerSecond);
  vi.advanceTimersByTime(SECOND_MS - 1);
  await turn();
  expect(stdout.taken()).toBe(LIMITS.mcpStdoutBytesPerSecond);
  vi.advanceTimersByTime(1);
  await held(stdout);
  expect(stdout.lines(stdout.taken())).toBe(most + 2);
  expect(stdout.fatal).not.toHaveBeenCalled();
});

/** Lines of a kibibyte. */
function stderrOf(kibibytes: number) {
  const chunk = Buffer.from(`${"x".repeat(KIB - 1)}\n`.repeat(64));
  const written = flood(chunk, kibibytes / 64);
  const seen = { lines: 0, dropped: 0 };
  readStderr(written.stream, {
    onLine: () => void (seen.lines += 1),
    onOverflow: () => {},
    onDropped: (lines) => void (seen.dropped += lines),
  });
  return { ...written, seen };
}

test("mcpStderrBytesPerSecond: as much is read at once; what is beyond waits for the next second, and no line goes uncounted", async () => {
  const most = LIMITS.mcpStderrBytesPerSecond / KIB;
  const stderr = stderrOf(most + 64);
  await held(stderr);
  expect(stderr.taken()).toBe(LIMITS.mcpStderrBytesPerSecond);
  expect(stderr.seen.lines + stderr.seen.dropped).toBe(most);
  vi.advanceTimersByTime(SECOND_MS - 1);
  await turn();
  expect(stderr.taken()).toBe(LIMITS.mcpStderrBytesPerSecond);
  vi.advanceTimersByTime(1);
  await held(stderr);
  expect(stderr.seen.lines + stderr.seen.dropped).toBe(most + 64);
});

test("mcpStderrKeptBytesPerSecond: as much of a second is kept, line by line; of what is beyond, the lines are counted", async () => {
  const most = LIMITS.mcpStderrKeptBytesPerSecond / KIB;
  const within = stderrOf(most);
  await held(within);
  expect(within.seen).toEqual({ lines: most, dropped: 0 });
  const beyond = stderrOf(most + 64);
  await held(beyond);
  expect(beyond.seen).toEqual({ lines: most, dropped: 64 });
});

test("the last words of a process are a line without a line break, too", async () => {
  const lines: string[] = [];
  const stderr = new PassThrough();
  readStderr(stderr, { onLine: (line) => void lines.push(line), onOverflow: () => {}, onDropped: () => {} });
  stderr.end("started\nno such table: users");
  await once(stderr, "close");
  expect(lines).toEqual(["started", "no such table: users"]);
});
