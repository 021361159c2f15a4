/* Which steps of a run a fork keeps, and which containers it leaves open. */
import type { JournalEvent } from "#contract/journal.ts";
import { planNodeOf, scopeOf, stepKey } from "./state.ts";
import type { PlanNode, RunState, Scope, StepState } from "./types.ts";

/** An event of the parent, and the step that it is about. */
export type Entry = { readonly event: JournalEvent; readonly step: StepState | undefined };

export class Cut {
  readonly #state: RunState;
  /** Executed again. */
  readonly #again = new Set<StepState>();
  /** Containers in which something is executed again, with the last round or turn that stays. */
  readonly #opened = new Map<StepState, number>();
  /** Scopes in which something is executed again. */
  readonly #touched = new Set<Scope>();
  /** Steps whose call was ended because its scope, or the run, was given up. */
  readonly #stopped = new Set<StepState>();
  /** Of each team: the number of the first turn of each batch. */
  readonly #batches = new Map<StepState, number[]>();
  readonly #firstTurns = new Map<JournalEvent, number>();
  readonly #wholes = new Map<Scope, boolean>();

  constructor(state: RunState, entries: readonly Entry[]) {
    this.#state = state;
    const turns = new Map<StepState, number>();
    for (const { event, step } of entries) {
      if (!step) continue;
      if (step.status === "cancelled" && !step.isUnwanted && step.endedSeq === event.seq) this.#stopped.add(step);
      if (event.kind !== "turns_started") continue;
      const first = turns.get(step) ?? 0;
      this.#firstTurns.set(event, first);
      this.#batches.set(step, [...(this.#batches.get(step) ?? []), first]);
      turns.set(step, first + event.body.turns.length);
    }
  }

  /** The step is executed again, and so is all that depends on it. */
  add(step: StepState): void {
    this.#wholes.clear();
    this.#again.add(step);
    this.#addFollowing(step);
    for (let scope = scopeOf(this.#state, step.scope); scope.parent; scope = scope.parent) {
      this.#touched.add(scope);
      const container = this.#containerOf(scope);
      if (!container) continue;
      const last = Math.min(this.#opened.get(container) ?? Infinity, this.#lastBeside(container, scope.index ?? 0));
      this.#opened.set(container, last);
      this.#addFollowing(container);
    }
  }

  /** Whether all that has happened to the step stays. */
  keeps(step: StepState): boolean {
    if (step.isUndoing || this.#again.has(step) || this.#opened.has(step)) return false;
    const scope = scopeOf(this.#state, step.scope);
    return this.#isReached(scope) && (this.#isWhole(scope) || hasHeld(step));
  }

  /** Whether the container has begun and goes on, from this round or turn at the earliest. */
  leavesOpen(step: StepState, index = 0): boolean {
    if (this.#again.has(step) || this.keeps(step)) return false;
    return index <= (this.#opened.get(step) ?? Infinity) && this.#isReached(scopeOf(this.#state, step.scope));
  }

  firstTurnOf(event: JournalEvent): number {
    return this.#firstTurns.get(event) ?? 0;
  }

  /** Whether the step is still to come, in a scope that has begun. */
  awaits(step: StepState): boolean {
    const scope = scopeOf(this.#state, step.scope);
    return this.#isReached(scope) && !this.#isWhole(scope) && !this.keeps(step);
  }

  /** Whether the step was passed by and stays so. */
  keepsSkipped(step: StepState): boolean {
    return step.status === "skipped" && step.endedSeq !== undefined && !this.#again.has(step);
  }

  #addFollowing({ scope, nodeId }: StepState): void {
    const found = new Set<PlanNode>();
    const todo = [planNodeOf(this.#state, nodeId)];
    for (let node = todo.pop(); node; node = todo.pop()) {
      for (const { target } of node.outgoing) {
        if (found.has(target)) continue;
        found.add(target);
        todo.push(target);
        const next = this.#state.steps.get(stepKey(scope, target.id));
        if (next) this.#again.add(next);
      }
    }
  }

  /** Items do not depend on one another; a round does on the one before, a turn on those of the batches before. */
  #lastBeside(container: StepState, index: number): number {
    if (container.loop) return index;
    const next = this.#batches.get(container)?.find((first) => first > index);
    return next === undefined ? Infinity : next - 1;
  }

  #containerOf({ parent, containerId }: Scope): StepState | undefined {
    return parent && containerId !== null ? this.#state.steps.get(stepKey(parent.path, containerId)) : undefined;
  }

  /** Whether the scope begins in the fork as well. */
  #isReached(inner: Scope): boolean {
    for (let scope: Scope | null = inner; scope; scope = scope.parent) {
      const container = this.#containerOf(scope);
      if (!container) continue;
      if (this.#again.has(container) || (scope.index ?? 0) > (this.#opened.get(container) ?? Infinity)) return false;
    }
    return true;
  }

  /** Whether the scope stays as it was with all that went wrong in it, because its result counts. */
  #isWhole(scope: Scope): boolean {
    const known = this.#wholes.get(scope);
    if (known !== undefined) return known;
    const isWhole = scope.parent !== null && !this.#touched.has(scope) && this.#counts(scope, scope.parent);
    this.#wholes.set(scope, isWhole);
    return isWhole;
  }

  #counts(scope: Scope, outer: Scope): boolean {
    const container = this.#containerOf(scope);
    if (!container) return false;
    const isContainerKept = hasHeld(container) && !this.#again.has(container) && !this.#opened.has(container);
    return isContainerKept || this.#isWhole(outer) || this.#isOver(scope, container);
  }

  #isOver(scope: Scope, container: StepState): boolean {
    if (!scope.closed || scope.isUnwanted) return false;
    if (scope.failure) return container.map?.onItemError === "continue" && hasFailedItself(scope);
    if (scope.ended < scope.body.nodes.length) return false;
    return !scope.body.nodes.some(({ id }) => {
      const step = this.#state.steps.get(stepKey(scope.path, id));
      return step !== undefined && this.#stopped.has(step);
    });
  }
}

/** Its end is one from which the run went on. */
const hasHeld = ({ status, handle }: StepState): boolean => status === "succeeded" || (status === "failed" && handle !== undefined);

/** By one of its own steps, not because the container gave it up. */
export const hasFailedItself = ({ path, failure }: Scope): boolean => failure?.scope?.startsWith(path) === true;
