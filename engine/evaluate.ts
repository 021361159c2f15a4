import type { Json } from "#contract/common.ts";
import type { EventDraft, StepError } from "#contract/journal.ts";
import { evaluateApproval } from "./evaluate-approval.ts";
import { closeContainer, openContainer } from "./evaluate-container.ts";
import { draftOf } from "./evaluate-flow.ts";
import { evaluateWait, waitEnded } from "./evaluate-wait.ts";
import { ExpressionError, type Roots } from "./expressions/index.ts";
import { failed, stepError } from "./outcome.ts";
import { isContainer } from "./plan.ts";
import { outputSeenFrom, planNodeOf, scopeOf, stepOf } from "./state.ts";
import type { PlanNode, RunState, Scope, StepCommand, StepState } from "./types.ts";

/**
 * Computes a step that needs nothing from outside and returns the event to append: its success, its failure, that it waits, or
 * what a container begins next. Synchronous unless an expression needs the full JSONata. Never throws for what the definition or
 * the data did.
 */
export function evaluate(state: RunState, command: StepCommand): EventDraft | Promise<EventDraft> {
  const step = stepOf(state, command.scope, command.nodeId);
  const node = planNodeOf(state, command.nodeId);
  const { pins } = state.editor ?? {};
  if (step.status === "ready" && pins && Object.hasOwn(pins, node.id)) return pinned(command, pins[node.id] ?? null);
  const known = withoutComputing(state, command, { step, node });
  if (known) return known;
  try {
    const value = compute(state, command);
    if (!(value instanceof Promise)) return draftFrom(state, command, { step, node, value });
    return value.then(
      (settled) => draftFrom(state, command, { step, node, value: settled }),
      (error: unknown) => expressionFailed(state, command, error),
    );
  } catch (error) {
    return expressionFailed(state, command, error);
  }
}

type Subject = { step: StepState; node: PlanNode };

/** What follows from the state alone. */
function withoutComputing(state: RunState, command: StepCommand, { step, node }: Subject): EventDraft | undefined {
  if (step.approval) return evaluateApproval(state, command, step.approval);
  if (step.waiting) return waitEnded(state, command, step.waiting);
  return isContainer(node.type) ? closeContainer(state, command, step) : undefined;
}

function draftFrom(state: RunState, command: StepCommand, { step, node, value }: Subject & { value: Json | undefined }): EventDraft {
  if (isContainer(node.type)) return openContainer(state, command, { step, value });
  if (node.type === "wait" || node.type === "approval") return evaluateWait(state, command, value);
  return draftOf(state, command, value);
}

function pinned(command: StepCommand, output: Json): EventDraft {
  const { scope, nodeId, attempt } = command;
  return { kind: "step_succeeded", scope, nodeId, attempt, body: { output, handle: "success", source: "pin" } };
}

/** The `data` of an outside step with its expressions computed. Throws `ExpressionError`. */
export function resolveInput(state: RunState, command: StepCommand): Json | Promise<Json> {
  const { node } = planNodeOf(state, command.nodeId);
  const value = compute(state, command);
  const finish = (settled: Json | undefined): Json => (node.type === "code" ? { ...node.data, input: settled ?? null } : (settled ?? null));
  return value instanceof Promise ? value.then(finish) : finish(value);
}

function compute(state: RunState, command: StepCommand): Json | undefined | Promise<Json | undefined> {
  return planNodeOf(state, command.nodeId).value.evaluate(new StepRoots(state, command));
}

/**
 * What a step's expressions see. JSONata may come to it later, when the state has gone on, so what can change is taken now;
 * what few expressions ask for is made only then.
 */
class StepRoots implements Roots {
  readonly input: Json;
  readonly context: Roots["context"];
  readonly item?: Json;
  readonly index?: number;
  readonly run: Roots["run"];
  readonly #state: RunState;
  readonly #scope: Scope;
  readonly #nodeId: string;
  readonly #at: string;

  constructor(state: RunState, { scope: path, nodeId }: StepCommand) {
    this.#state = state;
    this.#scope = scopeOf(state, path);
    this.#nodeId = nodeId;
    this.#at = state.at;
    const { input, context, runId: id, workflowId, version } = state;
    this.input = input;
    this.context = context.values;
    const hooks = hooksOf(state, path);
    this.run = hooks === undefined ? { id, workflowId, version } : { id, workflowId, version, hooks };
    const { index, item } = itemOf(state, path, nodeId);
    if (index === undefined) return;
    this.index = index;
    this.item = item;
  }

  step(id: string): Json | undefined {
    return outputSeenFrom(this.#state, this.#scope, id);
  }

  get now(): number {
    return Date.parse(this.#at);
  }

  get seed(): string {
    return `${this.#state.runId}${this.#scope.path}/${this.#nodeId}`;
  }
}

/** A loop's own `while` sees the number of the round that would begin, and the result of the one before. */
function itemOf(state: RunState, path: string, nodeId: string): Pick<Roots, "item" | "index"> {
  if (planNodeOf(state, nodeId).type === "loop") {
    const { rounds = 0, last = null } = stepOf(state, path, nodeId).loop ?? {};
    return { index: rounds, item: last };
  }
  const { index, item = null } = scopeOf(state, path);
  return index === undefined ? {} : { index, item };
}

/** Where each step that waits for a call of its hook can be called, as seen from this scope. */
function hooksOf({ plan, hookUrl }: RunState, path: string): Record<string, string> | undefined {
  if (plan.hookIds.length === 0) return undefined;
  const where = path === "" ? "" : `~${encodeURIComponent(path)}`;
  return Object.fromEntries(plan.hookIds.map((id) => [id, `${hookUrl}.${id}${where}`]));
}

function expressionFailed(state: RunState, command: StepCommand, thrown: unknown): EventDraft {
  if (!(thrown instanceof ExpressionError)) throw thrown;
  return failed(state, command, { error: stepErrorOf(thrown), now: 0, random: 0 });
}

/** An expression's failure as a step's. */
export function stepErrorOf({ code, message, nodeId, field, position }: ExpressionError): StepError {
  const issue = { path: field, message, nodeId, ...(position === undefined ? {} : { position }) };
  return { ...stepError(code, message), issues: [issue] };
}
