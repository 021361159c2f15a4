import { describe, expect, test } from "vitest";
import { Definition } from "#contract/definition.ts";
import type { EventDraft, JournalEvent } from "#contract/journal.ts";
import type { Run } from "#contract/runs.ts";
import { compile, fold } from "#engine/index.ts";
import type { Evidence, JournalRow, RunEvidence } from "#test/support/faults/evidence.ts";
import { History } from "#test/support/faults/history.ts";
import { enter, end, UNDONE, workflow } from "#test/support/faults/workload.ts";
import { check } from "#test/support/run-checker.ts";

const ID = "01990000-0000-7000-8000-000000000001";
const TENANT = "01990000-0000-7000-8000-00000000000a";
const plan = compile(Definition.parse(workflow("One", [enter("a"), end()], ["start>a>end"])));
const undoing = compile(Definition.parse(UNDONE));

type Draft = Partial<EventDraft> & { kind: EventDraft["kind"]; epoch?: number; seq?: number };
const top = { scope: "", nodeId: null, attempt: 0 };
const step = (nodeId: string) => ({ scope: "", nodeId, attempt: 1 });
const begins: Draft[] = [
  { kind: "run_created", body: { workflowId: "w", version: 1, input: {}, initiator: "user:1" }, ...top, epoch: 0 },
  { kind: "run_claimed", body: { owner: "one" }, ...top },
  { kind: "step_succeeded", body: { output: null, handle: "success" }, ...step("start") },
];
const starts = (key = "key-1", more: object = {}): Draft => ({
  kind: "step_started",
  body: { input: { tool: "enter" }, effect: "once", key, generation: 1 },
  ...step("a"),
  ...more,
});
const succeeds = (nodeId: string): Draft => ({ kind: "step_succeeded", body: { output: null, handle: "success" }, ...step(nodeId) });
const finishes: Draft = { kind: "run_succeeded", body: { output: null }, ...top };
const ordinary = [...begins, starts(), succeeds("a"), succeeds("end"), finishes];

function journalOf(drafts: readonly Draft[]): JournalEvent[] {
  return drafts.map((draft, i) =>
    JSON.parse(JSON.stringify({ epoch: 1, v: 1, at: `2026-01-01T00:00:00.${100 + i}Z`, seq: i + 1, ...draft })),
  );
}

const rowOf = (event: JournalEvent): JournalRow => ({
  run_id: ID,
  tenant_id: TENANT,
  seq: event.seq,
  kind: event.kind,
  scope: event.scope,
  node_id: event.nodeId,
  attempt: event.attempt,
  epoch: event.epoch,
  at: new Date(event.at),
});

/** What would be seen of a run with this journal, if all else were well. */
function evidenceOf(drafts: readonly Draft[] = ordinary, more: Partial<Evidence> = {}): Evidence {
  const journal = journalOf(drafts);
  const state = foldable(journal);
  const status = state?.status ?? "running";
  const finished = ["succeeded", "failed", "cancelled"].includes(status) ? (journal.at(-1)?.at ?? null) : null;
  const at = journal[0]?.at ?? "";
  const run: Run = {
    id: ID,
    workflowId: TENANT,
    workflowName: "One",
    version: 1,
    status,
    parentRunId: null,
    mode: "production",
    tags: [],
    createdAt: at,
    startedAt: at,
    finishedAt: finished,
    seq: journal.length,
    input: {},
    output: state?.output ?? null,
    error: null,
    questions: [],
  };
  const runs = [
    {
      id: ID,
      tenant_id: TENANT,
      workflow_id: TENANT,
      version: 1,
      status,
      epoch: Math.max(...journal.map(({ epoch }) => epoch)),
      owner: finished === null ? "one" : null,
      wake_at: null,
      parent_run_id: null,
      created_at: new Date(at),
      finished_at: finished === null ? null : new Date(finished),
      dead_at: null,
    },
  ];
  const evidence: Evidence = {
    accepted: [ID],
    answers: new Map<string, RunEvidence>([[ID, { run, journal, plan }]]),
    rows: { runs, journal: journal.map(rowOf), inbox: [], audit: [{ tenant_id: TENANT, action: "run.started", target: `run:${ID}` }] },
    ledger: [{ entry: `${ID}/a`, key: "key-1", at: 0 }],
    isAuditValid: true,
    observations: [],
    outages: [],
    history: new History(7),
    isAnsweredTruly: true,
    survivors: [],
    secrets: { values: ["hunter2"], texts: ["all is well"] },
  };
  return { ...evidence, ...more };
}

function foldable(journal: readonly JournalEvent[]): ReturnType<typeof fold> | undefined {
  try {
    return fold(plan, journal, { runId: ID });
  } catch {
    return undefined;
  }
}

const broken = (evidence: Evidence): string[] => [...new Set(check(evidence).map(({ invariant }) => invariant))];
const withRow = (over: Partial<Evidence["rows"]["runs"][number]>, drafts = ordinary): Evidence => {
  const evidence = evidenceOf(drafts);
  return { ...evidence, rows: { ...evidence.rows, runs: evidence.rows.runs.map((row) => ({ ...row, ...over })) } };
};
const withRows = (over: Partial<Evidence["rows"]>): Evidence => {
  const evidence = evidenceOf();
  return { ...evidence, rows: { ...evidence.rows, ...over } };
};

const claims = (epoch: number): Draft => ({ kind: "run_claimed", body: { owner: "two" }, ...top, epoch });
const cancels = (inboxId: string, more: object = {}): Draft => ({
  kind: "cancel_requested",
  body: { by: "user:1", inboxId },
  ...top,
  ...more,
});
const asked: Draft = { kind: "step_parked", body: { question: "?", generation: 1 }, ...step("a"), epoch: 2 };
const answered = (answer: "happened" | "did_not_happen"): Draft => ({
  kind: "step_answered",
  body: { answer, by: "user:1", inboxId: "m1", output: null },
  ...step("a"),
  epoch: 2,
});
const twice = [...begins, starts(), claims(2), asked, answered("did_not_happen"), starts("key-1", { attempt: 1, epoch: 2 })];

const GREEN: readonly [what: string, evidence: Evidence][] = [
  ["an ordinary run", evidenceOf()],
  ["a run under way", evidenceOf([...begins, starts()])],
  ["a repeated call that somebody had asked for", evidenceOf(twice)],
  ["a start that was refused during an outage", evidenceOf(ordinary, { outages: [{ from: 0, to: Date.now() + 1_000 }] })],
];

const RED: readonly [what: string, invariant: string, evidence: Evidence][] = [
  ["an accepted run that is not there", "I1 nothing is lost", evidenceOf(ordinary, { accepted: [ID, TENANT] })],
  ["two starts with one id", "I1 nothing is lost", evidenceOf(ordinary, { accepted: [ID, ID] })],
  ["a run that the API does not show", "I1 nothing is lost", evidenceOf(ordinary, { answers: new Map() })],
  [
    "a gap",
    "I1 numbers are contiguous",
    evidenceOf(ordinary.toSpliced(3, 1).map((draft, i) => ({ ...draft, seq: i < 3 ? i + 1 : i + 2 }))),
  ],
  ["a row that the API does not show", "I1 numbers are contiguous", withRows({ journal: journalOf(ordinary.slice(0, -1)).map(rowOf) })],
  [
    "a message that nobody will look at",
    "I1 nobody is forgotten",
    (() => {
      const evidence = withRow({ owner: null }, [...begins, starts()]);
      return { ...evidence, rows: { ...evidence.rows, inbox: [{ run_id: ID, tenant_id: TENANT, id: "m1", kind: "cancel" }] } };
    })(),
  ],
  ["a step that ends twice", "I2 once", evidenceOf([...begins, starts(), succeeds("a"), succeeds("a")])],
  ["an event after the last", "I2 once", evidenceOf([...ordinary, finishes])],
  ["a second key in one generation", "I2 one key per generation", evidenceOf([...begins, starts(), starts("key-2")])],
  [
    "an effect that happened twice",
    "I2 one effect",
    evidenceOf(ordinary, { ledger: [1, 2].map(() => ({ entry: `${ID}/a`, key: "key-1", at: 0 })) }),
  ],
  ["a success without an effect", "I2 one effect", evidenceOf(ordinary, { ledger: [{ entry: `${ID}/b`, key: "key-9", at: 0 }] })],
  ["an effect that never began", "I2 one effect", evidenceOf([...begins], { ledger: [{ entry: `${ID}/a`, key: "key-1", at: 0 }] })],
  ["a call made again that nobody asked for", "I2 one effect", evidenceOf([...begins, starts(), claims(2), starts("key-1", { epoch: 2 })])],
  ["a message taken in twice", "I3 inbox", evidenceOf([...begins, cancels("m1"), starts(), cancels("m1")])],
  [
    "a message taken in and still there",
    "I3 inbox",
    (() => {
      const evidence = evidenceOf([...begins, cancels("m1")]);
      return { ...evidence, rows: { ...evidence.rows, inbox: [{ run_id: ID, tenant_id: TENANT, id: "m1", kind: "cancel" }] } };
    })(),
  ],
  ["a chain that does not verify", "I5 audit", evidenceOf(ordinary, { isAuditValid: false })],
  ["a start without an audit line", "I5 audit", withRows({ audit: [] })],
  ["a cancel without an audit line", "I5 audit", evidenceOf([...begins, cancels("m1")])],
  ["a zombie's event", "I6 fencing", evidenceOf([...begins, claims(2), starts("key-1", { epoch: 1 })])],
  ["an epoch that begins without a claim", "I6 fencing", evidenceOf([...begins, starts("key-1", { epoch: 2 })])],
  ["a claim that does not raise the epoch", "I6 fencing", evidenceOf([...begins, claims(1)])],
  ["a row of another epoch", "I6 fencing", withRow({ epoch: 2 })],
  ["a process that outlives the case", "I7 processes", evidenceOf(ordinary, { survivors: ["12 node ledger"] })],
  [
    "a retry before its time",
    "I8 timers",
    evidenceOf([
      ...begins,
      starts(),
      { kind: "step_failed", body: { error: failure(), retryAt: Date.parse("2026-01-01T00:01:00Z") }, ...step("a") },
      starts("key-1", { attempt: 2 }),
    ]),
  ],
  [
    "a wait that ends before its time",
    "I8 timers",
    evidenceOf([...begins, waits({ until: Date.parse("2026-01-01T00:01:00Z") }), succeeds("a")]),
  ],
  [
    "steps that are undone in the wrong order",
    "I9 undone",
    withPlan(
      evidenceOf([
        ...begins,
        { kind: "compensation_started", body: { steps: places("b", "a") }, ...top },
        ...["undo_a", "undo_b"].map(succeeds),
      ]),
    ),
  ],
  [
    "a step that is not undone, of which nothing is said",
    "I9 undone",
    withPlan(evidenceOf([...ordinary.slice(0, -1), { kind: "compensation_started", body: { steps: places("a") }, ...top }, finishes])),
  ],
  [
    "a step that begins in a pause",
    "I11 paused",
    evidenceOf([...begins, { kind: "run_paused", body: { by: "user:1", inboxId: "m1" }, ...top }, starts()]),
  ],
  [
    "a step with two child runs",
    "I11 parents and children agree",
    evidenceOf([...begins, waits({ childRunId: "one" }), waits({ childRunId: "two" })]),
  ],
  [
    "a start acknowledged during an outage",
    "I10 truth",
    evidenceOf(ordinary, { outages: [{ from: 0, to: Date.now() + 10_000 }], history: startedNow() }),
  ],
  [
    "a run that comes back from the dead",
    "I11 states",
    evidenceOf(ordinary, { observations: [observed("succeeded", 7), observed("running", 7)] }),
  ],
  ["a run that forgets events", "I11 states", evidenceOf(ordinary, { observations: [observed("running", 5), observed("running", 4)] })],
  ["a row that says something else", "I11 row and journal agree", withRow({ status: "failed" })],
  ["a run that is over and held", "I11 row and journal agree", withRow({ owner: "one" })],
  ["a row of another tenant", "I12 isolation", withRow({ tenant_id: ID })],
  ["a secret in the log", "I13 secrecy", evidenceOf(ordinary, { secrets: { values: ["hunter2"], texts: ["pass hunter2"] } })],
  ["a run that is not over in time", "I14 recovery bound", evidenceOf([...begins, starts()], { overBy: Date.now() })],
  ["a run that was over too late", "I14 recovery bound", evidenceOf(ordinary, { overBy: 0 })],
];

function waits(body: object): Draft {
  return { kind: "step_waiting", body, ...step("a") };
}
function places(...nodeIds: string[]) {
  return nodeIds.map((nodeId) => ({ scope: "", nodeId }));
}
/** A run of the workflow that undoes what it has done, and that is over. */
function withPlan(evidence: Evidence): Evidence {
  const answers = [...evidence.answers].map(([id, answer]): [string, RunEvidence] => {
    return [id, { ...answer, plan: undoing, run: { ...answer.run, status: "failed" } }];
  });
  return { ...evidence, answers: new Map(answers) };
}
function failure() {
  return { code: "tool_failed", message: "no", remedy: "mend it", retryable: true };
}
function observed(status: Run["status"], seq: number) {
  return { runId: ID, status, seq };
}
function startedNow(): History {
  const history = new History(7);
  const at = Date.now();
  history.lines.push({ op: 1, name: "start run x", state: "start", at }, { op: 1, name: "start run x", state: "ok", at });
  return history;
}

describe("the checker", () => {
  test.each(GREEN)("has nothing against %s", (_what, evidence) => {
    expect(check(evidence)).toEqual([]);
  });

  test.each(RED)("finds %s", (_what, invariant, evidence) => {
    expect(broken(evidence)).toContain(invariant);
  });
});
