import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import type { Redactor } from "#server/kernel/ports.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Json } from "#contract/common.ts";
import { createLog, type LogOptions } from "./log.ts";

const SECRET = "s3cret-value";
const hide = (text: string): string => text.replaceAll(SECRET, "[redacted]");
const hideIn = <T extends Json>(value: T): T => JSON.parse(hide(JSON.stringify(value)));
const redactor: Redactor = { text: hide, json: hideIn };

function logTo(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", redactor, write: (line) => lines.push(line), ...options });
  return { log, lines, last: (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? "{}") };
}

describe("the log", () => {
  test("writes one JSON object a line", () => {
    const { log, lines, last } = logTo();
    log.info("run started", {
      runId: "r1",
      n: 1,
      nothing: undefined,
      big: 2n ** 60n,
      at: new Date(0),
      odd: Number.NaN,
      raw: Buffer.from("ab"),
    });
    expect(lines[0]?.endsWith("}\n")).toBe(true);
    expect(last()).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      message: "run started",
      runId: "r1",
      n: 1,
      big: "1152921504606846976",
      at: "1970-01-01T00:00:00.000Z",
      odd: "NaN",
      raw: "2 bytes",
    });
  });

  test("keeps fields of its own for a part of the platform", () => {
    const { log, last } = logTo();
    log.with({ component: "mcp" }).with({ server: "files" }).warn("slow");
    expect(last()).toMatchObject({ level: "warn", component: "mcp", server: "files", message: "slow" });
  });

  test("leaves out what is below its level", () => {
    const { log, lines } = logTo({ level: "warn" });
    log.debug("a");
    log.info("b");
    log.error("c");
    expect(lines).toHaveLength(1);
  });

  test("redacts messages, fields, errors and fields of parts", () => {
    const { log, lines } = logTo();
    const cause = new Error(`inner ${SECRET}`);
    log
      .with({ key: SECRET })
      .error(`failed with ${SECRET}`, { error: new AppError("internal", SECRET, { cause }), deep: { list: [SECRET] } });
    expect(lines.join("")).not.toContain(SECRET);
    expect(lines.join("")).toContain("inner [redacted]");
  });

  test("tells an error with its code, stack and cause", () => {
    const { log, last } = logTo();
    log.error("failed", { error: new AppError("not_found", "gone", { cause: new TypeError("why") }) });
    expect(last()).toMatchObject({
      error: {
        type: "AppError",
        code: "not_found",
        message: "gone",
        stack: expect.stringContaining("log.test"),
        cause: { type: "TypeError" },
      },
    });
  });

  test("survives what made the caller log: cycles, depth, length", () => {
    const { log, lines } = logTo();
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    let deep: unknown = 1;
    for (let i = 0; i < 20_000; i += 1) deep = [deep];
    log.info("x", { cycle, deep, long: "x".repeat(100_000), many: Array.from({ length: 10_000 }, () => 1), fn: () => 1 });
    expect(lines[0]?.length).toBeLessThan(12_000);
  });

  test("keeps one record on one line, whatever its text", () => {
    const { log, lines } = logTo();
    log.info('evil\n{"level":"info","message":"forged"}', { name: "a\r\nb" });
    expect(lines[0]?.trimEnd().split("\n")).toHaveLength(1);
  });
});

describe("the log at a terminal", () => {
  test("is one readable line", () => {
    const { log, lines } = logTo({ format: "pretty" });
    log.info("run started", { runId: "r1", steps: { done: 2 } });
    expect(stripVTControlCharacters(lines[0] ?? "")).toMatch(/^\d\d:\d\d:\d\d info {2}run started runId=r1 steps=\{"done":2\}\n$/);
  });

  test("shows the stack of an error over several lines", () => {
    const { log, lines } = logTo({ format: "pretty" });
    log.error("failed", { error: new Error("why") });
    expect(stripVTControlCharacters(lines[0] ?? "")).toMatch(/error=Error: why\n +at /);
  });

  test("lets no text move the cursor, colour the screen or begin a line", () => {
    const { log, lines } = logTo({ format: "pretty" });
    log.info("a\u001b[2Jb\nc", { name: "d\r\u202ee\u009b" });
    expect(lines[0]).toContain("a\\u001b[2Jb\\u000ac");
    expect(lines[0]).toContain("d\\u000d\\u202ee\\u009b");
  });
});
