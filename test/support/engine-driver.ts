import type { Json } from "#contract/common.ts";
import { Definition, type DefinitionInput } from "#contract/definition.ts";
import type { EventBody, EventDraft, EventPayload, JournalEvent, StepError } from "#contract/journal.ts";
import {
  compile,
  decide,
  evaluate,
  evolve,
  failed,
  initialState,
  recover,
  resolveInput,
  succeeded,
  type Command,
  type Plan,
  type RunState,
  type StepState,
} from "#engine/index.ts";

/** What the outside answers: an output, or an error. */
export type Outside = (call: { nodeId: string; scope: string; attempt: number; input: Json }) => Json | { fails: StepError };
/** Picks which of the things under way ends next: decides the timing of a run. */
export type Pick = (count: number) => number;

export const error = (over: Partial<StepError> = {}): StepError => ({
  code: "tool_failed",
  message: "it broke",
  remedy: "mend it",
  retryable: false,
  ...over,
});

type Waiting = { step: StepState; waiting: string };
type InvokeCommand = Extract<Command, { kind: "invoke" }>;

/** A driver without a database: the journal is an array, time stands still unless nothing else can happen. */
export class MemoryRun {
  readonly journal: JournalEvent[] = [];
  readonly calls: string[] = [];
  state: RunState;
  #now = Date.parse("2026-01-01T00:00:00Z");
  readonly #outside: Outside;
  readonly #pick: Pick;
  readonly #underWay = new Map<string, InvokeCommand>();
  readonly definition: Definition;
  plans: ReadonlyMap<number, Plan>;

  constructor(
    definition: DefinitionInput,
    outside: Outside = () => null,
    pick: Pick = () => 0,
    others: Record<number, DefinitionInput> = {},
  ) {
    this.plans = new Map(Object.entries(others).map(([version, other]) => [Number(version), compile(Definition.parse(other))]));
    this.definition = Definition.parse(definition);
    this.#outside = outside;
    this.#pick = pick;
    this.state = initialState(compile(this.definition), { runId: "run-1", plans: this.plans });
  }

  append(draft: EventDraft): void {
    const event = { ...draft, seq: this.journal.length + 1, v: 1, epoch: this.state.epoch, at: new Date(this.#now).toISOString() } as const;
    this.journal.push(event);
    this.state = evolve(this.state, event);
  }

  begin(input: Json, more: Partial<EventBody<"run_created">> = {}): void {
    this.append({
      kind: "run_created",
      scope: "",
      nodeId: null,
      attempt: 0,
      body: { workflowId: "w", version: 1, input, initiator: "user:1", ...more },
    });
    this.append({ kind: "run_claimed", scope: "", nodeId: null, attempt: 0, body: { owner: "me" } });
  }

  /** What somebody outside says to the run. */
  say(event: EventPayload, nodeId: string | null = null, scope = ""): void {
    this.append({ ...event, scope, nodeId, attempt: nodeId === null ? 0 : 1 });
  }

  /** Time goes by. */
  sleep(ms: number): void {
    this.#now += ms;
  }

  cancel(): void {
    this.append({ kind: "cancel_requested", scope: "", nodeId: null, attempt: 0, body: { by: "user:1", inboxId: "i" } });
  }

  /** Another process goes on from the first `length` events: calls that were under way are lost. */
  continueFrom(events: readonly JournalEvent[]): void {
    this.journal.length = 0;
    this.#underWay.clear();
    this.state = initialState(compile(this.definition), { runId: "run-1", plans: this.plans });
    for (const event of events) {
      this.journal.push(event);
      this.state = evolve(this.state, event);
    }
    this.#now = Math.max(this.#now, Date.parse(this.state.at));
    for (const draft of recover(this.state)) this.append(draft);
  }

  /** Runs until it is over or waits for an answer, or `steps` things have happened. */
  async advance(steps = 100_000): Promise<RunState> {
    for (let i = 0; i < steps; i += 1) if (!(await this.#step())) break;
    return this.state;
  }

  async #step(): Promise<boolean> {
    const commands = decide(this.state, this.#now);
    for (const command of commands) {
      if (command.kind === "finish") return this.#finish(command);
      if (command.kind === "record") {
        this.append(command.event);
        return true;
      }
      if (command.kind === "abort" && this.#abort(command)) return true;
      if (command.kind === "invoke" && (await this.#start(command))) return true;
    }
    const evaluations = commands.filter((command) => command.kind === "evaluate");
    const choices = [...evaluations, ...this.#underWay.values(), ...this.#children()];
    const choice = choices[this.#pick(choices.length) % choices.length];
    if (choice && "waiting" in choice) this.#childEnds(choice);
    else if (choice?.kind === "evaluate") this.append(await evaluate(this.state, choice));
    else if (choice) this.#answer(choice);
    else return this.#wait(commands);
    return true;
  }

  #finish(command: Extract<Command, { kind: "finish" }>): boolean {
    this.append({ ...command.event, scope: "", nodeId: null, attempt: 0 });
    return false;
  }

  #wait(commands: readonly Command[]): boolean {
    const times = commands.flatMap((command) => (command.kind === "wait_until" ? [command.at] : []));
    if (times.length === 0) return false;
    this.#now = Math.min(...times);
    return true;
  }

  async #start(command: InvokeCommand): Promise<boolean> {
    const key = `${command.scope}/${command.nodeId}#${command.generation}.${command.attempt}`;
    if (this.#underWay.has(key)) return false;
    const { scope, nodeId, attempt, generation } = command;
    this.#underWay.set(key, command);
    if (command.resume) return true;
    const input = await resolveInput(this.state, command);
    const effect = this.state.plan.nodes.get(nodeId)?.effect ?? "once";
    this.append({
      kind: "step_started",
      scope,
      nodeId,
      attempt,
      body: { input, effect, key: `${scope}/${nodeId}#${generation}`, generation },
    });
    return true;
  }

  #answer(command: InvokeCommand): void {
    const { scope, nodeId, attempt } = command;
    this.#underWay.delete(`${scope}/${nodeId}#${command.generation}.${attempt}`);
    this.calls.push(`${scope}/${nodeId}`);
    const input = this.state.steps.get(`${scope}/${nodeId}`)?.input ?? null;
    if (command.type === "subworkflow") {
      const body = { childRunId: `child of ${scope}/${nodeId}` };
      return this.append({ kind: "step_waiting", scope, nodeId, attempt, body });
    }
    const answer = this.#outside({ nodeId, scope, attempt, input });
    const fails = typeof answer === "object" && answer !== null && !Array.isArray(answer) && "fails" in answer ? answer : undefined;
    if (fails && isStepError(fails.fails)) this.append(failed(this.state, command, { error: fails.fails, now: this.#now, random: 0 }));
    else if (!isOutsideFailure(answer)) this.append(succeeded(command, answer));
  }

  /** Child runs that the run waits for. */
  #children(): Waiting[] {
    return [...this.state.idle].flatMap((step) => {
      const { childRunId } = step.waiting ?? {};
      return step.status === "waiting" && childRunId !== undefined ? [{ step, waiting: childRunId }] : [];
    });
  }

  #childEnds({ step: { scope, nodeId, attempt, input = null }, waiting: childRunId }: Waiting): void {
    const answer = this.#outside({ nodeId, scope, attempt, input });
    const ended = { inboxId: "i", childRunId };
    if (isOutsideFailure(answer))
      this.append({ kind: "child_ended", scope, nodeId, attempt, body: { ...ended, status: "failed", error: answer.fails } });
    else this.append({ kind: "child_ended", scope, nodeId, attempt, body: { ...ended, status: "succeeded", output: answer } });
  }

  #abort({ scope, nodeId, attempt, generation }: Extract<Command, { kind: "abort" }>): boolean {
    this.#underWay.delete(`${scope}/${nodeId}#${generation}.${attempt}`);
    this.append({ kind: "step_cancelled", scope, nodeId, attempt, body: { outcome: "cancelled", reason: "stopped" } });
    return true;
  }
}

const isStepError = (value: unknown): value is StepError => typeof value === "object" && value !== null && "retryable" in value;
const isOutsideFailure = (value: ReturnType<Outside>): value is { fails: StepError } =>
  typeof value === "object" && value !== null && !Array.isArray(value) && "fails" in value && isStepError(value.fails);

/** A chain or any graph, with less to write: `edges` are `a>b` or `a:handle>b`. */
export function workflow(nodes: readonly DefinitionInput["nodes"][number][], edges: readonly string[]): DefinitionInput {
  return {
    version: 2,
    name: "Test",
    nodes: [...nodes],
    edges: edges.map((text, index) => {
      const [from = "", target = ""] = text.split(">");
      const [source = "", sourceHandle] = from.split(":");
      return { id: `e${index}`, source, target, ...(sourceHandle === undefined ? {} : { sourceHandle }) };
    }),
  };
}
