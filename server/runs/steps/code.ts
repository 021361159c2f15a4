import { z } from "zod";
import { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { parseJson } from "#contract/parse-json.ts";
import { isWithinDepth } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";
import type { StepExecutor, StepRequest } from "../../kernel/step-executor.ts";
import { CodePool } from "./code-pool.ts";
import type { CodeOutcome } from "./code-sandbox.ts";

const Input = z.object({ source: z.string(), input: Json.default(null) });

/** Runs JavaScript in an interpreter that can reach nothing: no files, no network, no timers, nothing of this process. */
export function codeExecutor(): { executor: StepExecutor; stop: () => Promise<void> } {
  const pool = new CodePool();
  const executor: StepExecutor = {
    prepare: async ({ input }: StepRequest) => {
      inputOf(input);
      return { effect: "none" };
    },
    run: async ({ input, timeoutMs, signal }) =>
      resultOf(await pool.run({ ...inputOf(input), timeoutMs: timeoutMs - LIMITS.codeGraceMs }, signal)),
  };
  return { executor, stop: () => pool.stop() };
}

function inputOf(request: Json): { source: string; input: string } {
  const { source, input } = Input.parse(request);
  const text = JSON.stringify(input);
  const bytes = Buffer.byteLength(text);
  if (bytes <= LIMITS.codeInputBytes) return { source, input: text };
  throw new AppError("input_invalid", `Expected at most ${LIMITS.codeInputBytes} bytes of input for the code; got ${bytes}.`, {
    remedy: "Give the code less, or split the work with a map.",
  });
}

function resultOf(outcome: CodeOutcome): Json {
  if ("fails" in outcome) throw new AppError(outcome.fails, outcome.message);
  const output: Json = parseJson(outcome.output);
  if (isWithinDepth(output, LIMITS.jsonDepth)) return output;
  throw new AppError("code_failed", `The code returned JSON nested deeper than ${LIMITS.jsonDepth} levels.`);
}
