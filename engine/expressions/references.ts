import { childrenOf, isAst, startOf, type Ast } from "./ast.ts";

/** A name that an expression reads from its top-level context. `position` is an offset inside the expression's own source. */
export type RootReference = {
  root: string;
  name?: string;
  position: number;
  /** Names below it that the path surely goes through; what is not below them is not read by this path. */
  path: readonly string[];
};

/** Roots that hold named things: reading one needs the name, so that it can be checked before the run. */
const NAMED_ROOTS = new Set(["steps", "secrets", "context"]);

/**
 * Finds the names that an expression reads from its top-level context.
 *
 * A name belongs to the top only where the context still is the top: at the beginning of a path, and not inside a predicate,
 * a later step, an order-by or a grouping, which are evaluated against the items they belong to. Functions see the context of
 * the place where they are written.
 */
export function referencesOf(ast: Ast, source: string): RootReference[] {
  const found: RootReference[] = [];
  new ReferenceWalk(source, found).visit(ast, true);
  return found;
}

class ReferenceWalk {
  readonly #source: string;
  readonly #found: RootReference[];

  constructor(source: string, found: RootReference[]) {
    this.#source = source;
    this.#found = found;
  }

  visit(node: Ast, atTop: boolean): void {
    if (node.type === "path") return this.#path(node, atTop);
    if (node.type === "variable") {
      if (this.#isTop(node, atTop)) this.#report("$$", node);
      return this.#stages(node);
    }
    if ((node.type === "wildcard" || node.type === "descendant") && atTop) this.#report(node.type === "wildcard" ? "*" : "**", node);
    if (node.type === "lambda") return isAst(node.body) ? this.visit(node.body, atTop) : undefined;
    const stages = new Set([...(node.stages ?? []), ...(node.predicate ?? [])].map((stage) => stage.expr));
    const grouped = new Set((node.group?.lhs ?? []).flat());
    for (const child of childrenOf(node)) this.visit(child, atTop && !stages.has(child) && !grouped.has(child));
  }

  /** `$$` is the top everywhere, `$` only where the context is the top. */
  #isTop(node: Ast, atTop: boolean): boolean {
    return node.type === "variable" && (node.value === "$" || (node.value === "" && atTop));
  }

  #path(path: Ast, atTop: boolean): void {
    const steps = path.steps ?? [];
    let contextIsTop = atTop;
    let next = 0;
    const first = steps[0];
    if (first !== undefined && this.#isTop(first, atTop) && steps[1] !== undefined && !first.predicate) {
      contextIsTop = true;
      next = 1;
    }
    for (; next < steps.length; next++) {
      const step = steps[next];
      if (step === undefined) break;
      if (contextIsTop && step.type === "name") this.#name(steps.slice(next));
      else this.visit(step, contextIsTop);
      this.#stages(step);
      if (step.focus === undefined) contextIsTop = false;
    }
    for (const pair of path.group?.lhs ?? []) for (const node of pair) this.visit(node, false);
  }

  #name([step, ...rest]: readonly Ast[]): void {
    if (step === undefined) return;
    const [next, ...below] = rest;
    const isNamed = NAMED_ROOTS.has(String(step.value)) && next?.type === "name" && isBare(step);
    if (isNamed && next) this.#report(String(step.value), step, { name: String(next.value), path: isBare(next) ? namesOf(below) : [] });
    else this.#report(String(step.value), step, { path: isBare(step) ? namesOf(rest) : [] });
  }

  #stages(node: Ast): void {
    for (const stage of [...(node.stages ?? []), ...(node.predicate ?? [])]) if (stage.expr) this.visit(stage.expr, false);
  }

  #report(root: string, { position = 0, type, value }: Ast, more: { name?: string; path: readonly string[] } = { path: [] }): void {
    const at = startOf(this.#source, position, type === "name" || type === "variable" ? value : root);
    this.#found.push({ root, position: at, ...more });
  }
}

/** Nothing but a name. */
const isBare = (step: Ast) => step.stages === undefined && step.focus === undefined && step.index === undefined && step.tuple === undefined;

function namesOf(steps: readonly Ast[]): string[] {
  const names: string[] = [];
  for (const step of steps) {
    // Behind `@$x` the path goes on from where it was before.
    if (step.type !== "name" || step.focus !== undefined || step.tuple !== undefined) break;
    names.push(String(step.value));
    if (!isBare(step)) break;
  }
  return names;
}
