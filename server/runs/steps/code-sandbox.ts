import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import release from "@jitl/quickjs-wasmfile-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSSyncVariant,
} from "quickjs-emscripten-core";
import { LIMITS } from "#contract/limits.ts";

/** `input` is JSON; `source` the body of an async function of it. */
export type CodeCall = { source: string; input: string; timeoutMs: number };
/** `output` is JSON. A line counts from 1, in the source. */
export type CodeOutcome =
  | { output: string }
  | { fails: "code_failed" | "code_timeout" | "code_memory" | "step_output_too_large"; message: string; line?: number };

/** Node has it, Node's types do not. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  Memory: new (pages: { initial: number; maximum: number }) => Memory;
};
type Memory = { readonly buffer: ArrayBuffer };
const PAGE_BYTES = 64 * 1024;
/** What the interpreter was built to begin with. */
const INITIAL_BYTES = 16 * 1024 * 1024;

/** The package's types describe its CommonJS form; imported, it is the variant itself. */
const variantOf = (imported: QuickJSSyncVariant | { default: QuickJSSyncVariant }): QuickJSSyncVariant =>
  "default" in imported ? imported.default : imported;
const VARIANT = variantOf(release);

const FILE = "code.js";
const MAX_MESSAGE_CHARS = 2_000;
/** For what is said about a failure when the code itself has used up its time. */
const SPARE_MS = 250;

/**
 * Taken before the code runs, so that what it does to the built-in objects changes nothing here. `run` gives the result as JSON,
 * `describe` tells of what was thrown.
 */
const HARNESS = `(({ parse, stringify }, String) => ({
  run: async (code, input) => stringify(await code(parse(input))),
  describe: (error) => {
    const text = (value, length) => { try { return String(value).slice(0, length); } catch { return ""; } };
    const of = (name) => { try { return error === null || typeof error !== "object" ? undefined : error[name]; } catch { return undefined; } };
    return stringify({ name: text(of("name") ?? "", 100), message: text(of("message") ?? error, ${MAX_MESSAGE_CHARS}), stack: text(of("stack") ?? "", 4000) });
  },
}))(JSON, String)`;

type Limits = { isOver: boolean; endsAt: number; memory: Memory };

/** Prepares the interpreter; the function that is returned runs one piece of code, which shares nothing with those before it. */
export async function createSandbox(): Promise<(call: CodeCall) => Promise<CodeOutcome>> {
  const file = createRequire(import.meta.filename).resolve("@jitl/quickjs-wasmfile-release-sync/wasm");
  const wasmModule = await WebAssembly.compile(await readFile(file));
  return async (call) => {
    // An instance of its own for each call: nothing that one piece of code does to its memory can reach the next.
    // The interpreter's own limit counts single allocations only, hence the end of the memory itself.
    const wasmMemory = new WebAssembly.Memory({ initial: INITIAL_BYTES / PAGE_BYTES, maximum: LIMITS.codeMemoryBytes / PAGE_BYTES });
    const engine = await newQuickJSWASMModuleFromVariant(newVariant(VARIANT, { wasmModule, wasmMemory }));
    const runtime = engine.newRuntime();
    runtime.setMemoryLimit(LIMITS.codeMemoryBytes);
    runtime.setMaxStackSize(LIMITS.codeStackBytes);
    const limits: Limits = { isOver: false, endsAt: performance.now() + call.timeoutMs, memory: wasmMemory };
    runtime.setInterruptHandler(() => (limits.isOver = performance.now() > limits.endsAt));
    try {
      return runIn(runtime.newContext(), call, limits);
    } catch (error) {
      // The interpreter itself has gone too deep for its host. Its instance is not used again.
      if (error instanceof RangeError) return { fails: "code_failed", message: "The code went too deep: stack overflow." };
      throw error;
    }
  };
}

/** Nothing is disposed of: the whole instance is garbage afterwards. */
function runIn(vm: QuickJSContext, { source, input, timeoutMs }: CodeCall, limits: Limits): CodeOutcome {
  const harness = vm.unwrapResult(vm.evalCode(HARNESS));
  const fails = (thrown: QuickJSHandle): CodeOutcome =>
    limits.isOver ? timedOut(timeoutMs) : described(vm, thrown, { describe: vm.getProp(harness, "describe"), limits });

  const code = vm.evalCode(`(async function (input) {${source}\n})`, FILE, { strict: true });
  if (code.error) return fails(code.error);
  const started = vm.callFunction(vm.getProp(harness, "run"), vm.undefined, code.value, vm.newString(input));
  if (started.error) return fails(started.error);
  const jobs = vm.runtime.executePendingJobs();
  if (jobs.error) return fails(jobs.error);
  const state = vm.getPromiseState(started.value);
  if (state.type === "rejected") return fails(state.error);
  if (limits.isOver) return timedOut(timeoutMs);
  if (state.type === "pending")
    return { fails: "code_failed", message: "The code waits for something that never comes; there are no timers and nothing outside." };
  return outputOf(vm, state.value);
}

function outputOf(vm: QuickJSContext, value: QuickJSHandle): CodeOutcome {
  const type = vm.typeof(value);
  if (type === "undefined") return { output: "null" };
  if (type !== "string") return { fails: "code_failed", message: "What the code returned cannot be written as JSON." };
  const length = vm.getNumber(vm.getProp(value, "length"));
  const limit = LIMITS.stepOutputBytes;
  if (length > limit) return { fails: "step_output_too_large", message: `Expected at most ${limit} bytes from the code; got ${length}.` };
  return { output: vm.getString(value) };
}

const timedOut = (timeoutMs: number): CodeOutcome => ({
  fails: "code_timeout",
  message: `Expected the code to end within ${timeoutMs} ms; it has not.`,
});

type Describing = { describe: QuickJSHandle; limits: Limits };
function described(vm: QuickJSContext, thrown: QuickJSHandle, { describe, limits }: Describing): CodeOutcome {
  limits.endsAt = performance.now() + SPARE_MS;
  const said = vm.callFunction(describe, vm.undefined, thrown);
  const text = said.error ? "{}" : vm.getString(said.value);
  const { name = "", message = "", stack = "" }: { name?: string; message?: string; stack?: string } = JSON.parse(text);
  // A failure to allocate that leaves no room for an error object is thrown as null.
  const isNull = name === "" && message === "null" && limits.memory.buffer.byteLength > LIMITS.codeMemoryBytes / 2;
  const isMemory = isNull || (name === "InternalError" && message === "out of memory") || said.error !== undefined;
  if (isMemory)
    return { fails: "code_memory", message: `Expected the code to need at most ${LIMITS.codeMemoryBytes} bytes; it wanted more.` };
  const line = Number(new RegExp(`${FILE.replace(".", "\\.")}:(\\d+)`).exec(stack)?.[1] ?? Number.NaN);
  const where = Number.isNaN(line) ? "" : ` (line ${line})`;
  return { fails: "code_failed", message: `${name || "Error"}: ${message}${where}`, ...(where !== "" && { line }) };
}
