/*
 * The outside checker: given only what anybody outside could see (the public answers, a dump of the database, the ledger of
 * effects), it says which of the promises about runs were broken. It shares no code with the executor but the pure engine,
 * whose fold defines what a journal means.
 */
import type { EventBody, JournalEvent } from "#contract/journal.ts";
import { isFinal, type RunStatus } from "#contract/runs.ts";
import { evolve, fold, initialState, type RunState } from "#engine/index.ts";
import type { Evidence, RunEvidence } from "./faults/evidence.ts";

export type Violation = { invariant: string; what: string };
type Rule = (evidence: Evidence) => string[];

/** A timer may come this much before its time: two machines' clocks. */
const EARLY_MS = 1_000;

/** Where a run may go from each status, by its events. */
const NEXT: Record<RunStatus, readonly RunStatus[]> = {
  queued: ["running", "cancelling", "cancelled"],
  running: ["waiting", "paused", "cancelling", "compensating", "succeeded", "failed", "cancelled"],
  waiting: ["running", "paused", "cancelling", "compensating", "succeeded", "failed", "cancelled"],
  paused: ["running", "waiting", "cancelling", "cancelled", "failed"],
  cancelling: ["compensating", "cancelled", "failed"],
  compensating: ["failed", "cancelled", "cancelling"],
  succeeded: [],
  failed: [],
  cancelled: [],
};

const RULES: Record<string, Rule> = {
  "I1 nothing is lost": nothingLost,
  "I1 numbers are contiguous": contiguous,
  "I1 nobody is forgotten": nobodyForgotten,
  "I2 once": once,
  "I2 one key per generation": oneKey,
  "I2 one effect": oneEffect,
  "I3 inbox": inboxTakenOnce,
  "I5 audit": audited,
  "I6 fencing": fenced,
  "I7 processes": ({ survivors }) => survivors.map((process) => `${process} outlived the case`),
  "I8 timers": timersOnTime,
  "I9 undone": undone,
  "I10 truth": truthful,
  "I11 states": statesAllowed,
  "I11 row and journal agree": rowsAgree,
  "I11 paused": quietWhilePaused,
  "I11 parents and children agree": familiesAgree,
  "I12 isolation": isolated,
  "I13 secrecy": secret,
  "I14 recovery bound": overInTime,
};

/** Every broken promise. Empty when all is well. */
export function check(evidence: Evidence): Violation[] {
  return Object.entries(RULES).flatMap(([invariant, rule]) => rule(evidence).map((what) => ({ invariant, what })));
}

const each = ({ answers }: Evidence, look: (evidence: RunEvidence, id: string) => string[]): string[] =>
  [...answers].flatMap(([id, evidence]) => look(evidence, id).map((what) => `run ${id}: ${what}`));

function nothingLost({ accepted, rows, answers }: Evidence): string[] {
  const stored = new Set(rows.runs.map(({ id }) => id));
  const lost = accepted.filter((id) => !stored.has(id)).map((id) => `run ${id} was accepted and is not in the database`);
  const twice = accepted.length - new Set(accepted).size;
  if (twice > 0) lost.push(`${twice} starts were answered with the id of another start`);
  const silent = rows.runs.filter(({ id }) => !answers.has(id)).map(({ id }) => `run ${id} is not to be had from the API`);
  return [...lost, ...silent];
}

function contiguous(evidence: Evidence): string[] {
  const stored = Map.groupBy(evidence.rows.journal, ({ run_id }) => run_id);
  return each(evidence, ({ journal, run }, id) => {
    const wrong: string[] = [];
    const gap = journal.findIndex(({ seq }, i) => seq !== i + 1);
    if (gap !== -1) wrong.push(`event ${gap + 1} is missing; ${journal[gap]?.seq} comes instead`);
    if (run.seq !== journal.length) wrong.push(`says that it has ${run.seq} events and shows ${journal.length}`);
    const line = (e: JournalEvent): string => [e.seq, e.kind, e.scope, e.nodeId, e.attempt, e.epoch, e.at].join(" ");
    const shown = journal.map(line);
    const kept = (stored.get(id) ?? []).map((r) => [r.seq, r.kind, r.scope, r.node_id, r.attempt, r.epoch, r.at.toISOString()].join(" "));
    const other = shown.findIndex((text, i) => text !== kept[i]);
    if (other !== -1 || kept.length !== shown.length) wrong.push(`the API's journal is not the database's, from event ${other + 1} on`);
    return wrong;
  });
}

/** A run that is not over must be held, or come up again by itself, or wait for somebody who has not spoken yet. */
function nobodyForgotten({ rows }: Evidence): string[] {
  const spoken = new Set(rows.inbox.map(({ run_id }) => run_id));
  return rows.runs.flatMap((run) => {
    if (isFinal(run.status) || run.owner !== null || run.dead_at !== null) return [];
    const isDue = run.wake_at !== null && run.wake_at.getTime() <= Date.now() + EARLY_MS;
    if (spoken.has(run.id) && !isDue) return [`run ${run.id} has a message in its inbox, and nobody will look`];
    return run.wake_at === null && run.status === "queued" ? [`run ${run.id} is queued, and nobody will look`] : [];
  });
}

const stepsOf = (journal: readonly JournalEvent[]): Map<string, JournalEvent[]> =>
  Map.groupBy(
    journal.filter(({ kind, nodeId }) => nodeId !== null && kind.startsWith("step_")),
    ({ scope, nodeId }) => `${scope}/${nodeId}`,
  );

function once(evidence: Evidence): string[] {
  return each(evidence, ({ journal }) => {
    const wrong: string[] = [];
    for (const [step, events] of stepsOf(journal)) {
      const done = events.findIndex(({ kind }) => kind === "step_succeeded");
      const later = done === -1 ? [] : events.slice(done + 1);
      for (const { kind, seq } of later) wrong.push(`${step} had succeeded, and then came ${kind} at ${seq}`);
    }
    const end = journal.findIndex(({ kind }) => FINAL_KINDS.has(kind));
    if (end !== -1 && end !== journal.length - 1)
      wrong.push(`event ${end + 1} was its last, and ${journal.length - end - 1} came after it`);
    return wrong;
  });
}

const FINAL_KINDS: ReadonlySet<string> = new Set(["run_succeeded", "run_failed", "run_cancelled"]);
type Started = JournalEvent & { kind: "step_started"; body: EventBody<"step_started"> };
const isStarted = (event: JournalEvent): event is Started => event.kind === "step_started";
const needsAnswer = (effect: string): boolean => effect === "once" || effect === "ask";

/** Attempts of a generation share a key, generations do not, and no two steps do. */
function oneKey(evidence: Evidence): string[] {
  const owners = new Map<string, string>();
  return each(evidence, ({ journal }, id) =>
    journal.filter(isStarted).flatMap(({ scope, nodeId, body }) => {
      const place = `${id} ${scope}/${nodeId} generation ${body.generation}`;
      const [owner = place] = [owners.get(body.key)];
      owners.set(body.key, owner);
      const first = journal
        .filter(isStarted)
        .find((e) => e.scope === scope && e.nodeId === nodeId && e.body.generation === body.generation);
      const wrong = owner === place ? [] : [`${place} has the key of ${owner}`];
      return first && first.body.key !== body.key ? [...wrong, `${place} has two keys`] : wrong;
    }),
  );
}

/** The ledger against the journal: a `once` call is sent once per durable start, and starts again only when somebody said so. */
function oneEffect(evidence: Evidence): string[] {
  const executions = Map.groupBy(evidence.ledger, ({ key }) => key);
  const known = new Set<string>();
  const wrong = each(evidence, ({ journal }) =>
    [...stepsOf(journal)].flatMap(([step, events]) => {
      const starts = events.filter(isStarted);
      for (const { body } of starts) known.add(body.key);
      return starts.length === 0 ? [] : effectsOf({ step, events, starts, executions, isTrue: evidence.isAnsweredTruly });
    }),
  );
  const strange = evidence.ledger.filter(({ entry, key }) => !known.has(key) && mustHaveStarted(evidence, entry));
  return [...wrong, ...strange.map(({ entry }) => `${entry} was carried out, and no journal says that it began`)];
}

type StepEffects = {
  step: string;
  events: readonly JournalEvent[];
  starts: readonly Started[];
  executions: ReadonlyMap<string, readonly unknown[]>;
  isTrue: boolean;
};
function effectsOf({ step, events, starts, executions, isTrue }: StepEffects): string[] {
  const wrong: string[] = [];
  const hasSucceeded = events.some(({ kind }) => kind === "step_succeeded");
  for (const [key, attempts] of Map.groupBy(starts, ({ body }) => body.key)) {
    const count = executions.get(key)?.length ?? 0;
    const [first] = attempts;
    if (!first) continue;
    const isOnce = needsAnswer(first.body.effect);
    if (isOnce && count > attempts.length) wrong.push(`${step} began ${attempts.length} times and was carried out ${count} times`);
    if (isOnce && isTrue && count > 1) wrong.push(`${step} is to be carried out once and was ${count} times`);
    if (isOnce) wrong.push(...repeatsWithoutLeave(step, events, attempts));
  }
  const total = [...Map.groupBy(starts, ({ body }) => body.key).keys()].reduce((sum, key) => sum + (executions.get(key)?.length ?? 0), 0);
  const isLedgered = executions.size > 0 && hasSucceeded && starts.some(({ body }) => JSON.stringify(body.input).includes('"enter"'));
  const isVouchedFor = events.some((event) => event.kind === "step_answered" && event.body.answer === "happened");
  if (isLedgered && total === 0 && (isTrue || !isVouchedFor)) wrong.push(`${step} succeeded and was never carried out`);
  return wrong;
}

/** Between two starts under one key there must be a failure that is retried, or the answer that it did not happen. */
function repeatsWithoutLeave(step: string, events: readonly JournalEvent[], attempts: readonly Started[]): string[] {
  return attempts.slice(1).flatMap((again, i) => {
    const between = events.filter(({ seq }) => seq > (attempts[i]?.seq ?? 0) && seq < again.seq);
    const leave = between.some(
      (e) => (e.kind === "step_failed" && e.body.retryAt !== undefined) || (e.kind === "step_answered" && e.body.answer !== "happened"),
    );
    return leave ? [] : [`${step} began again at ${again.seq} and nobody had said so`];
  });
}

/** Only a `once` call waits for its start to be durable; entries begin with the run's id and the step's scope and node. */
function mustHaveStarted({ answers }: Evidence, entry: string): boolean {
  const [runId, rest] = [entry.slice(0, 36), entry.slice(36)];
  const node = answers.get(runId)?.plan.nodes.get(rest.slice(rest.lastIndexOf("/") + 1));
  return node !== undefined && needsAnswer(node.node.policy?.effect ?? "once");
}

/** An inbox row becomes events of one append, and is then gone. */
function inboxTakenOnce(evidence: Evidence): string[] {
  const waiting = new Set(evidence.rows.inbox.map(({ id }) => id));
  return each(evidence, ({ journal }) => {
    const taken = Map.groupBy(
      journal.filter((event) => inboxIdOf(event) !== undefined),
      (event) => inboxIdOf(event) ?? "",
    );
    return [...taken].flatMap(([id, events]) => {
      const wrong = waiting.has(id) ? [`the message ${id} was taken in and is still in the inbox`] : [];
      const [first, last] = [events[0], events.at(-1)];
      const isTogether = first && last && last.seq - first.seq === events.length - 1 && first.epoch === last.epoch;
      return isTogether ? wrong : [...wrong, `the message ${id} was taken in more than once`];
    });
  });
}

function inboxIdOf({ body }: JournalEvent): string | undefined {
  return "inboxId" in body && typeof body.inboxId === "string" ? body.inboxId : undefined;
}

function audited(evidence: Evidence): string[] {
  const wrong = evidence.isAuditValid ? [] : ["the chain does not verify"];
  const lines = Map.groupBy(evidence.rows.audit, ({ target }) => target.slice("run:".length));
  return [
    ...wrong,
    ...each(evidence, ({ journal }, id) => {
      const count = (action: string): number => lines.get(id)?.filter((line) => line.action === action).length ?? 0;
      const starts = count("run.started");
      const cancels = journal.filter(({ kind }) => kind === "cancel_requested").length;
      const problems = starts === 1 ? [] : [`${starts} audit lines tell of its start`];
      if (cancels > count("run.cancel_requested")) problems.push("it was cancelled, and no audit line says by whom");
      return problems;
    }),
  ];
}

function fenced(evidence: Evidence): string[] {
  const epochs = new Map(evidence.rows.runs.map(({ id, epoch }) => [id, epoch]));
  return each(evidence, ({ journal }, id) => {
    const wrong: string[] = [];
    let epoch = 0;
    for (const event of journal) {
      if (event.epoch < epoch) wrong.push(`event ${event.seq} is of epoch ${event.epoch}, after epoch ${epoch}`);
      if (event.kind === "run_claimed" && event.epoch !== epoch + 1) wrong.push(`the claim at ${event.seq} did not raise the epoch`);
      if (event.kind !== "run_claimed" && event.epoch > epoch) wrong.push(`epoch ${event.epoch} began without a claim`);
      epoch = Math.max(epoch, event.epoch);
    }
    if (epochs.get(id) !== epoch) wrong.push(`its row is at epoch ${epochs.get(id)}, its journal at ${epoch}`);
    return wrong;
  });
}

function timersOnTime(evidence: Evidence): string[] {
  return each(evidence, ({ journal }) =>
    [...stepsOf(journal)].flatMap(([step, events]) =>
      events.flatMap((event, i) => {
        const [due, goesOn] = dueAfter(event);
        const next = due === undefined ? undefined : events.slice(i + 1).find(({ kind }) => kind === goesOn);
        const early = next && due !== undefined ? due - Date.parse(next.at) : 0;
        return early > EARLY_MS ? [`${step} went on ${early} ms before its time`] : [];
      }),
    ),
  );
}

/** When the step may go on after this event (ms since the epoch), and by which event it does. */
function dueAfter({ kind, body }: JournalEvent): [due: number | undefined, goesOn: string] {
  if (kind === "step_failed") return [body.retryAt, "step_started"];
  return kind === "step_waiting" ? [body.until, "step_succeeded"] : [undefined, ""];
}

/** What was to be undone has been, once each and in that order, or the run's last event says that it has not. */
function undone(evidence: Evidence): string[] {
  return each(evidence, ({ journal, plan, run }) => {
    const begun = journal.find((event) => event.kind === "compensation_started");
    if (begun?.kind !== "compensation_started") return [];
    const wrong: string[] = [];
    const nameOf = ({ scope, nodeId }: { scope: string; nodeId: string }): string =>
      `${scope}/${plan.nodes.get(nodeId)?.node.policy?.compensate ?? "?"}`;
    const wanted = begun.body.steps.map(nameOf);
    const done = journal.filter((event) => event.seq > begun.seq && hasEnded(event)).map(({ scope, nodeId }) => `${scope}/${nodeId}`);
    const last = journal.at(-1);
    const leftOut = last?.kind === "run_failed" || last?.kind === "run_cancelled" ? (last.body.notUndone ?? []).map(nameOf) : [];
    const missing = wanted.filter((name) => !done.includes(name) && !leftOut.includes(name));
    if (isFinal(run.status)) wrong.push(...missing.map((name) => `${name} did not happen, and nothing says so`));
    const order = done.filter((name) => wanted.includes(name));
    const expected = wanted.filter((name) => order.includes(name));
    return order.join() === expected.join()
      ? wrong
      : [...wrong, `undone in the order ${order.join(", ")}; expected ${expected.join(", ")}`];
  });
}

/** By its own word, or by that of whoever was asked. */
const hasEnded = (event: JournalEvent): boolean =>
  event.kind === "step_succeeded" || (event.kind === "step_answered" && event.body.answer === "happened");

/** Between a pause and the going on nothing new begins. */
function quietWhilePaused(evidence: Evidence): string[] {
  return each(evidence, ({ journal }) => {
    let isPaused = false;
    return journal.flatMap(({ kind, seq }) => {
      if (kind === "run_paused") isPaused = true;
      if (kind === "run_resumed" || kind === "cancel_requested" || kind === "force_requested") isPaused = false;
      return isPaused && kind === "step_started" ? [`a step began at ${seq} although the run was paused`] : [];
    });
  });
}

/** A step has one child run; what the parent heard of it is what it was; a parent that is over leaves no child behind. */
function familiesAgree(evidence: Evidence): string[] {
  const rows = new Map(evidence.rows.runs.map((row) => [row.id, row]));
  const told = new Set(evidence.rows.inbox.filter(({ kind }) => kind === "child").map(({ run_id }) => run_id));
  return each(evidence, ({ journal, run }, id) =>
    [...Map.groupBy(journal, ({ scope, nodeId }) => `${scope}/${nodeId}`)].flatMap(([step, events]) => {
      const children = new Set(
        events.flatMap((e) => (e.kind === "step_waiting" && e.body.childRunId !== undefined ? [e.body.childRunId] : [])),
      );
      if (children.size > 1) return [`${step} has ${children.size} child runs`];
      const wrong: string[] = [];
      for (const childId of children) {
        const child = rows.get(childId);
        const heard = events.filter((e) => e.kind === "child_ended" && e.body.childRunId === childId);
        if (heard.length > 1) wrong.push(`${step} heard ${heard.length} times of the end of its child`);
        for (const e of heard)
          if (e.kind === "child_ended" && e.body.status !== child?.status)
            wrong.push(`${step} heard that its child ${e.body.status}, which ${child?.status}`);
        if (child && isFinal(child.status) && !isFinal(run.status) && heard.length === 0 && !told.has(id))
          wrong.push(`${step} waits for a child that is over`);
        if (isFinal(run.status) && child && !isFinal(child.status)) wrong.push(`${step} left its child behind`);
      }
      return wrong;
    }),
  );
}

/** While the database takes no writes, no start can be answered with 2xx. */
function truthful({ outages, history }: Evidence): string[] {
  const starts = new Map(history.lines.filter(({ state }) => state === "start").map(({ op, at }) => [op, at]));
  return history.lines.flatMap(({ op, name, state, at }) => {
    const began = starts.get(op);
    const isDuring = outages.some(({ from, to }) => began !== undefined && began >= from && at <= to);
    return state === "ok" && name.startsWith("start run") && isDuring ? [`operation ${op} (${name}) succeeded during an outage`] : [];
  });
}

function statesAllowed(evidence: Evidence): string[] {
  const wrong = each(evidence, ({ journal, plan }, id) => {
    const problems: string[] = [];
    let state = initialState(plan, { runId: id });
    for (const event of journal) {
      const before = state.status;
      try {
        state = evolve(state, event);
      } catch (error) {
        return [...problems, `its journal cannot be folded: ${error instanceof Error ? error.message : String(error)}`];
      }
      if (state.status !== before && !NEXT[before].includes(state.status))
        problems.push(`went from ${before} to ${state.status} at ${event.seq}`);
    }
    return problems;
  });
  const seen = Map.groupBy(evidence.observations, ({ runId }) => runId);
  for (const [id, observations] of seen) {
    for (const [i, { status, seq }] of observations.entries()) {
      const earlier = observations[i - 1];
      if (!earlier) continue;
      if (seq < earlier.seq) wrong.push(`run ${id}: had ${earlier.seq} events and then ${seq}`);
      if (status !== earlier.status && !reachable(earlier.status).has(status))
        wrong.push(`run ${id}: was ${earlier.status} and then ${status}`);
    }
  }
  return wrong;
}

function reachable(from: RunStatus): Set<RunStatus> {
  const found = new Set<RunStatus>(NEXT[from]);
  for (const status of found) for (const next of NEXT[status]) found.add(next);
  return found;
}

/** Undefined when it cannot be folded, of which another rule tells. */
function tryFold({ plan, journal }: RunEvidence, id: string): RunState | undefined {
  try {
    return fold(plan, journal, { runId: id });
  } catch {
    return undefined;
  }
}

function rowsAgree(evidence: Evidence): string[] {
  const rows = new Map(evidence.rows.runs.map((row) => [row.id, row]));
  return each(evidence, (answer, id) => {
    const { journal, run } = answer;
    const state = tryFold(answer, id);
    const row = rows.get(id);
    if (!state || !row) return [];
    const wrong: string[] = [];
    if (isFinal(row.status) !== isFinal(state.status) || (isFinal(row.status) && row.status !== state.status))
      wrong.push(`its row says ${row.status}, its journal ${state.status}`);
    if (run.status !== row.status) wrong.push(`the API says ${run.status}, its row ${row.status}`);
    if (!isFinal(row.status)) return wrong;
    if (row.finished_at?.toISOString() !== journal.at(-1)?.at) wrong.push("its row ended at another time than its journal");
    if (row.owner !== null) wrong.push("it is over and still held");
    if (JSON.stringify(run.output) !== JSON.stringify(state.output)) wrong.push("its output is not the one that its journal ended with");
    return wrong;
  });
}

function isolated({ rows }: Evidence): string[] {
  const tenants = new Map(rows.runs.map(({ id, tenant_id }) => [id, tenant_id]));
  const strays = [...rows.journal, ...rows.inbox].filter(({ run_id, tenant_id }) => tenants.get(run_id) !== tenant_id);
  return strays.map(({ run_id }) => `a row of run ${run_id} belongs to another tenant`);
}

function secret({ secrets: { values, texts } }: Evidence): string[] {
  return values.flatMap((value, i) => (texts.some((text) => text.includes(value)) ? [`secret ${i + 1} is in what was written`] : []));
}

function overInTime({ rows, overBy }: Evidence): string[] {
  if (overBy === undefined) return [];
  return rows.runs.flatMap(({ id, status, finished_at }) => {
    if (finished_at === null) return [`run ${id} is still ${status}`];
    const late = finished_at.getTime() - overBy;
    return late > 0 ? [`run ${id} ended ${late} ms late`] : [];
  });
}
