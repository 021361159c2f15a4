import { ExpressionFailure } from "./errors.ts";
import { parseExpression } from "./parse.ts";
import { plainEvaluator } from "./plain.ts";
import { referencesOf, type RootReference } from "./references.ts";
import { sandboxed } from "./sandbox.ts";
import type { Compute } from "./value-parts.ts";

export type CompiledExpression = { compute: Compute; references: readonly RootReference[]; failure?: ExpressionFailure };

/** Never throws for a bad expression: `failure` says what is wrong, and `compute` then throws it. */
export function compileExpression(source: string): CompiledExpression {
  try {
    const parsed = parseExpression(source);
    const references = referencesOf(parsed.ast, source);
    return { compute: plainEvaluator(parsed.ast) ?? sandboxed(parsed, references), references };
  } catch (failure) {
    if (!(failure instanceof ExpressionFailure)) throw failure;
    const refuse = () => {
      throw failure;
    };
    return { compute: refuse, references: [], failure };
  }
}
