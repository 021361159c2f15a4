import type { Json } from "#contract/common.ts";
import type { EventDraft, StepError } from "#contract/journal.ts";
import { LIMITS } from "#contract/limits.ts";
import { REMEDY, isErrorCode } from "#contract/errors.ts";
import { ExpressionError, type Roots } from "./expressions/index.ts";
import { failed, succeeded } from "./outcome.ts";
import { outputSeenFrom, planNodeOf, scopeOf, stepOf } from "./state.ts";
import type { RunState, StepCommand } from "./types.ts";

/**
 * Computes a step that needs nothing from outside and returns the event to append: its success, its failure, or that a map has
 * its items. Synchronous unless an expression needs the full JSONata. Never throws for what the definition or the data did.
 */
export function evaluate(state: RunState, command: StepCommand): EventDraft | Promise<EventDraft> {
  const map = stepOf(state, command.scope, command.nodeId).map;
  if (map?.failure) return failed(state, command, { error: map.failure, now: 0, random: 0 });
  if (map) return succeeded(command, map.results);
  try {
    const value = compute(state, command);
    if (!(value instanceof Promise)) return draftOf(state, command, value);
    return value.then(
      (settled) => draftOf(state, command, settled),
      (error: unknown) => expressionFailed(state, command, error),
    );
  } catch (error) {
    return expressionFailed(state, command, error);
  }
}

/** The `data` of an outside step with its expressions computed. Throws `ExpressionError`. */
export function resolveInput(state: RunState, command: StepCommand): Json | Promise<Json> {
  const value = compute(state, command);
  return value instanceof Promise ? value.then((settled) => settled ?? null) : (value ?? null);
}

function compute(state: RunState, { scope, nodeId }: StepCommand): Json | undefined | Promise<Json | undefined> {
  const { value } = planNodeOf(state, nodeId);
  return value.evaluate(rootsOf(state, scope, nodeId));
}

function rootsOf(state: RunState, path: string, nodeId: string): Roots {
  const scope = scopeOf(state, path);
  return {
    input: state.input,
    context: state.context.values,
    step: (id) => outputSeenFrom(state, scope, id),
    ...(scope.index === undefined ? {} : { index: scope.index, item: scope.item ?? null }),
    run: { id: state.runId, workflowId: state.workflowId, version: state.version },
    now: Date.parse(state.at),
    seed: `${state.runId}${path}/${nodeId}`,
  };
}

function draftOf(state: RunState, command: StepCommand, value: Json | undefined): EventDraft {
  const { node } = planNodeOf(state, command.nodeId);
  if (node.type === "condition") return succeeded(command, isTrue(value), isTrue(value) ? "true" : "false");
  if (node.type !== "map") return succeeded(command, value ?? null);
  const items = Array.isArray(value) ? value : value === undefined ? [] : [value];
  if (items.length > LIMITS.mapItems) {
    const message = `Expected at most ${LIMITS.mapItems} items, got ${items.length}.`;
    return failed(state, command, {
      error: { code: "map_too_large", message, remedy: REMEDY.map_too_large, retryable: false },
      now: 0,
      random: 0,
    });
  }
  const { concurrency, onItemError } = node.data;
  const { scope, nodeId, attempt } = command;
  return { kind: "map_started", scope, nodeId, attempt, body: { items, concurrency, onItemError } };
}

function expressionFailed(state: RunState, command: StepCommand, thrown: unknown): EventDraft {
  if (!(thrown instanceof ExpressionError)) throw thrown;
  return failed(state, command, { error: stepErrorOf(thrown), now: 0, random: 0 });
}

/** An expression's failure as a step's. */
export function stepErrorOf({ code, message, nodeId, field, position }: ExpressionError): StepError {
  const issue = { path: field, message, nodeId, ...(position === undefined ? {} : { position }) };
  return { code, message, remedy: isErrorCode(code) ? REMEDY[code] : "", retryable: false, issues: [issue] };
}

/** JSONata's `$boolean`: empty strings, arrays and objects, zero, null and nothing are false; an array is true if a member is. */
export function isTrue(value: Json | undefined): boolean {
  if (Array.isArray(value)) return value.some(isTrue);
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}
