import { beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { createSandbox, type CodeOutcome } from "./code-sandbox.ts";

let sandbox: Awaited<ReturnType<typeof createSandbox>>;
beforeAll(async () => {
  sandbox = await createSandbox();
});
const run = (source: string, input: Json = null, timeoutMs = 2_000): Promise<CodeOutcome> =>
  sandbox({ source, input: JSON.stringify(input), timeoutMs });
const value = async (source: string, input?: Json): Promise<Json> => {
  const outcome = await run(source, input);
  return "output" in outcome ? JSON.parse(outcome.output) : { ...outcome };
};
const failure = (fails: string, message: RegExp) => ({ fails, message: expect.stringMatching(message) });

describe("code", () => {
  test.each<[string, Json, Json]>([
    ["return input.a + 1", { a: 1 }, 2],
    ["const { list } = input;\nreturn list.map((x) => x * 2).filter((x) => x > 2); // done", { list: [1, 2] }, [4]],
    ["return await Promise.all([1, Promise.resolve(2)])", null, [1, 2]],
    ["async function later(x) { await null; return x; }\nreturn { x: await later(input) }", "é€😀", { x: "é€😀" }],
    ["input.push(1)", [], null],
    ["return new Map([[1, 2]])", null, {}],
    ["return { at: new Date(0), gone: undefined, nan: NaN }", null, { at: "1970-01-01T00:00:00.000Z", nan: null }],
    ["return () => 1", null, null],
  ])("%s", async (source, input, expected) => expect(await value(source, input)).toEqual(expected));

  test.each<[string, RegExp, number | undefined]>([
    ["let x = ;", /SyntaxError.*line 1/, 1],
    ["\n\nthrow new TypeError('boo')", /^TypeError: boo \(line 3\)$/, 3],
    ["\nreturn input.a.b", /line 2/, 2],
    ["throw 'text'", /text/, undefined],
    ["throw null", /null/, undefined],
    ["throw { get message() { throw 1; } }", /Error/, undefined],
    ["return 1n", /BigInt/i, undefined],
    ["const a = {}; a.a = a; return a", /circular/i, undefined],
    ["await new Promise(() => {})", /never comes/, undefined],
    ["x = 1", /x is not defined|'x' is not defined/, 1],
  ])("%s fails with what and where", async (source, message, line) => {
    const outcome = await run(source);
    expect(outcome).toMatchObject(failure("code_failed", message));
    if (line !== undefined) expect(outcome).toMatchObject({ line });
  });
});

describe("what code cannot do", () => {
  test("reach anything but the language", async () => {
    const names = [
      "process",
      "require",
      "module",
      "Buffer",
      "fetch",
      "setTimeout",
      "setInterval",
      "queueMicrotask",
      "console",
      "WebAssembly",
      "Worker",
      "performance",
      "os",
      "std",
      "scriptArgs",
      "print",
      "crypto",
      "document",
      "window",
      "global",
    ];
    expect(await value(`return input.filter((name) => typeof globalThis[name] !== "undefined")`, names)).toEqual([]);
  });

  test.each([
    ["the constructor of a function", "return typeof (function () {}).constructor('return this')().process"],
    ["the constructor of the input", "return typeof input.constructor.constructor('return this')().process"],
    ["the constructor of an async function", "return typeof (await (async () => {}).constructor('return this')())?.process"],
    ["a global eval", "return typeof (0, eval)('this').process"],
    [
      "an error's call sites",
      "Error.prepareStackTrace = (_, sites) => sites; const stack = new Error().stack; return typeof stack[0]?.getThis?.()?.process",
    ],
    [
      "a proxy",
      "let seen; new Proxy({}, { get: (_t, _k, receiver) => void (seen = receiver) }).x; return typeof Object.getPrototypeOf(seen).process",
    ],
  ])("get out by %s", async (_way, source) => expect(await value(source, {})).toBe("undefined"));

  test("import anything", async () => {
    for (const source of ["return await import('fs')", "return (await import('node:child_process')).execSync('id')"])
      expect(await run(source)).toMatchObject({ fails: "code_failed" });
    expect(await run("import fs from 'fs';")).toMatchObject(failure("code_failed", /SyntaxError/));
  });

  test("close the function that it is, to any use", async () => {
    expect(await value("}); globalThis.leak = 1; (async function () { return 'inside'")).not.toBe("outside");
    expect(await value("return typeof leak")).toBe("undefined");
  });

  test("leave anything behind for the next", async () => {
    await run(
      "Object.prototype.role = 'admin'; Array.prototype.map = () => 'mine'; JSON.parse = () => 'mine'; globalThis.kept = 1; Promise.prototype.then = null",
    );
    expect(await value("return [typeof kept, typeof ({}).role, [1].map((x) => x), JSON.parse('2'), await 3]")).toEqual([
      "undefined",
      "undefined",
      [1],
      2,
      3,
    ]);
    expect({}).not.toHaveProperty("role");
  });

  test("forge a result that is no JSON", async () => {
    const forged = "JSON.stringify = () => ({}); Object.prototype.toJSON = () => { throw 1 }; return 1";
    expect(await run(forged)).toEqual({ output: "1" });
    const thenable = await run("Promise.prototype.then = function (ok) { ok({}) }; return 5");
    expect(["output" in thenable && JSON.parse(thenable.output), "fails" in thenable && thenable.fails]).toContainEqual(expect.anything());
  });
});

describe("the limits of code", () => {
  test.each([
    ["an endless loop", "for (;;) {}"],
    ["an endless loop of awaits", "for (;;) await null"],
    ["a loop that catches everything", "for (;;) { try { for (;;) {} } catch {} }"],
    ["a regular expression that explodes", "return /^(a+)+$/.test('a'.repeat(40) + 'b')"],
    ["a loop in what describes its result", "return { toJSON() { for (;;) {} } }"],
    ["a loop in a finally", "try { for (;;) {} } finally { for (;;) {} }"],
  ])("end %s in time", async (_what, source) => {
    const began = performance.now();
    expect(await run(source, null, 200)).toMatchObject(failure("code_timeout", /within 200 ms/));
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test("a loop in what tells of an error ends, too", async () => {
    const began = performance.now();
    expect(await run("throw { get message() { for (;;) {} } }")).toMatchObject({ fails: expect.stringMatching(/code_/) });
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test.each([
    ["one huge buffer", "return new ArrayBuffer(1e9).byteLength"],
    ["a huge text", "return 'x'.repeat(5e8).length"],
    ["many buffers", "const a = []; for (;;) a.push(new Uint8Array(1e6))"],
    ["many texts", "const a = []; for (let i = 0; ; i++) a.push('x'.repeat(1e6 + i))"],
    ["many small things", "const a = []; for (let i = 0; ; i++) a.push({ i })"],
    ["a huge array", "return new Array(3e7).fill(1).length"],
  ])("end with %s", async (_what, source) => {
    expect(await run(source, null, 20_000)).toMatchObject(failure("code_memory", /67108864/));
  });

  test("what fits in the memory runs", async () => {
    expect(await value("return new Uint8Array(48 * 1024 * 1024).length")).toBe(48 * 1024 * 1024);
  });

  test.each([
    ["a recursion without end", "const f = () => f() + 1; return f()"],
    ["a result nested without end", "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a"],
  ])("end %s", async (_what, source) => expect(await run(source)).toMatchObject(failure("code_failed", /stack/)));

  test("a result has a size", async () => {
    const text = LIMITS.stepOutputBytes - 2;
    expect(await run("return 'x'.repeat(input)", text)).toHaveProperty("output.length", LIMITS.stepOutputBytes);
    expect(await run("return 'x'.repeat(input)", text + 1)).toMatchObject(failure("step_output_too_large", /4194304/));
  });

  test("what it says of an error has one, too", async () => {
    const outcome = await run("throw new Error('x'.repeat(1e6))");
    expect("message" in outcome && outcome.message.length).toBeLessThan(2_100);
  });
});
