import { RE2JS } from "re2js";

/** Instructions of a compiled pattern: counted repetition like `(a{99}){99}` multiplies them. */
const MAX_PROGRAM = 2_000;

const compiled = new WeakMap<RegExp, RE2JS>();

/** Throws when the pattern needs backtracking (lookaround, back references) or is too large. Compiled once per literal. */
export function compileLinear(pattern: RegExp): RE2JS {
  const known = compiled.get(pattern);
  if (known) return known;
  const program = RE2JS.compile(RE2JS.translateRegExp(pattern));
  if (program.programSize() > MAX_PROGRAM) throw new Error("the pattern is too large");
  compiled.set(pattern, program);
  return program;
}

/**
 * Stands in for `RegExp` inside JSONata, which uses no more of it than this. Matching takes time linear in the text, whatever
 * the pattern.
 */
export class LinearRegExp {
  lastIndex = 0;
  readonly #program: RE2JS;

  constructor(pattern: RegExp) {
    this.#program = compileLinear(pattern);
  }

  /** As of a global RegExp: from `lastIndex` on, which then moves behind the match. */
  exec(text: string): ((string | undefined)[] & { index: number }) | null {
    const matcher = this.#program.matcher(text);
    if (this.lastIndex > text.length || !matcher.find(this.lastIndex)) {
      this.lastIndex = 0;
      return null;
    }
    const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group) ?? undefined);
    this.lastIndex = matcher.end();
    return Object.assign(groups, { index: matcher.start() });
  }
}
