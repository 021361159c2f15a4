import { ExpressionFailure, NeedsJsonata } from "./errors.ts";
import { parseExpression, type Parsed } from "./parse.ts";
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
    return { compute: plainCompute(parsed, references) ?? sandboxed(parsed, references), references };
  } catch (failure) {
    if (!(failure instanceof ExpressionFailure)) throw failure;
    const refuse = () => {
      throw failure;
    };
    return { compute: refuse, references: [], failure };
  }
}

/** Keeps nothing of JSONata: the few evaluations that need it after all parse the expression again. */
function plainCompute({ ast, source }: Parsed, references: readonly RootReference[]): Compute | undefined {
  const evaluate = plainEvaluator(ast);
  return (
    evaluate &&
    ((roots) => {
      try {
        return evaluate(roots);
      } catch (error) {
        if (!(error instanceof NeedsJsonata)) throw error;
        return sandboxed(parseExpression(source), references)(roots);
      }
    })
  );
}
