import type { Json, Page } from "#contract/common.ts";
import type { Definition } from "#contract/definition.ts";
import { LIMITS } from "#contract/limits.ts";
import { FINAL_STATUSES, RUN_STATUSES, type RunStatus } from "#contract/runs.ts";
import type { LiveRun, LiveRunCounts, MovedRun, MoveReason, Verdict } from "#contract/versions.ts";
import { compile, validate, type Plan } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { decodeCursor, toPage, UUID } from "../../kernel/paging.ts";
import type { PlanSource } from "../ports.ts";
import { runNotFound } from "../read-run.ts";
import { readState } from "../read-state.ts";
import { mustFind, speak, type SpeakDeps } from "../send-message.ts";
import { selectRuns, type RunFilter, type RunRecord } from "../store/runs.pg.ts";
import { sortForMove } from "./sort-for-move.ts";

export type MoveDeps = SpeakDeps & { plans: PlanSource; log: Log };
type Where = { tenantId: string; workflowId: string };
type Target = Where & { version: number };
type Paging = { limit: number; cursor?: string | undefined };
type MoveRequest = Target & { actor: string; runIds?: string[] | undefined; nodes: Record<string, string> };
/** What runs are sorted by; `version` is that of the plan, if it is published. */
type Goal = { plan: Plan; version?: number | undefined; nodes: Record<string, string> };

const LIVE: RunStatus[] = RUN_STATUSES.filter((status) => !FINAL_STATUSES.some((final) => final === status));

/** The live runs on other versions, each sorted by whether it could go on with this one. */
export const listLiveRuns =
  (deps: MoveDeps) =>
  async ({ limit, cursor, ...target }: Target & Paging): Promise<Page<LiveRun>> =>
    sortPage(deps, target, { limit, cursor, plan: await planOf(deps, target), version: target.version, nodes: {} });

/** How many of the newest live runs on other versions are of each verdict. */
export const countLiveRuns = (deps: MoveDeps) => {
  const list = listLiveRuns(deps);
  return async (target: Target): Promise<LiveRunCounts> => {
    const { items, nextCursor } = await list({ ...target, limit: LIMITS.movedRuns });
    const count = (verdict: Verdict): number => items.filter((run) => run.verdict === verdict).length;
    return {
      compatible: count("compatible"),
      needsMapping: count("needs_mapping"),
      mustFinish: count("must_finish"),
      hasMore: nextCursor !== null,
    };
  };
};

/** The same for a definition that is not published yet. */
export const sortLiveRuns =
  (deps: MoveDeps) =>
  async ({ definition, ...request }: Where & Paging & { definition: Json; nodes: Record<string, string> }): Promise<Page<LiveRun>> => {
    await planOf(deps, request);
    return sortPage(deps, request, { ...request, plan: compile(mustBeValid(definition)) });
  };

async function sortPage(deps: MoveDeps, where: Where, { limit, cursor, ...goal }: Paging & Goal): Promise<Page<LiveRun>> {
  const [before] = decodeCursor(cursor, [UUID]) ?? [];
  const found = await liveRuns(deps, where, { limit: limit + 1, before, otherThanVersion: goal.version });
  const page = toPage(found, { limit, map: (run) => run, key: ({ id }) => [id] });
  const items: LiveRun[] = [];
  for (const run of page.items) items.push(await sortOne(deps, { run, where, goal }));
  return { items, nextCursor: page.nextCursor };
}

function mustBeValid(given: Json): Definition {
  const checked = validate(given);
  if (checked.valid) return checked.definition;
  const { issues } = checked;
  const isForeign = issues.some(({ code }) => code === "definition_version_unsupported");
  const message = `The definition has problems, the first: ${issues[0]?.message ?? ""}`;
  throw new AppError(isForeign ? "definition_version_unsupported" : "workflow_invalid", message, { issues });
}

/** Asks those runs that the mapping makes compatible to go on with this version; says of each whether it was asked, or why not. */
export const moveRuns =
  (deps: MoveDeps) =>
  async ({ actor, runIds, nodes, ...target }: MoveRequest): Promise<{ items: MovedRun[] }> => {
    const plan = await planOf(deps, target);
    const { version } = target;
    const page = { limit: LIMITS.movedRuns, otherThanVersion: version };
    const runs = runIds ? await namedRuns(deps, target, runIds) : await liveRuns(deps, target, page);
    const items: MovedRun[] = [];
    for (const run of runs) {
      const sorted = await sortOne(deps, { run, where: target, goal: { plan, version, nodes } });
      items.push(
        sorted.verdict === "compatible" ? await ask(deps, sorted, { ...target, actor, nodes }) : { ...sorted, outcome: "refused" },
      );
    }
    return { items };
  };

async function planOf({ plans, codec }: MoveDeps, target: Where & { version?: number }): Promise<Plan> {
  await codec.prepare(target.tenantId);
  const found = await plans.loadForStart(target);
  if (!found) throw new AppError("not_found", `There is no workflow ${target.workflowId}.`);
  return found.plan;
}

type Subject = Pick<RunRecord, "id" | "version" | "status" | "seq" | "workflowId">;

type RunPage = Pick<RunFilter, "limit" | "before" | "otherThanVersion">;
const liveRuns = ({ database }: MoveDeps, { tenantId, workflowId }: Where, page: RunPage): Promise<Subject[]> =>
  database.asTenant(tenantId, (tx) => selectRuns(tx, { ...page, workflowId, status: LIVE }));

/** Throws when one of them is not a run of this workflow: then nothing is asked of any. */
async function namedRuns({ database }: MoveDeps, { tenantId, workflowId }: Target, runIds: readonly string[]): Promise<Subject[]> {
  return database.asTenant(tenantId, async (tx) => {
    const runs: Subject[] = [];
    for (const id of new Set(runIds)) {
      const run = await mustFind(tx, id);
      if (run.workflowId !== workflowId) throw runNotFound(id);
      runs.push(run);
    }
    return runs;
  });
}

type Sorting = { run: Subject; where: Where; goal: Goal };

async function sortOne({ database, codec, plans, log }: MoveDeps, { run, where: { tenantId }, goal }: Sorting): Promise<LiveRun> {
  const { id: runId, version, status, seq } = run;
  const mustFinish = (code: MoveReason["code"], message: string): LiveRun => ({
    runId,
    version,
    status,
    verdict: "must_finish",
    reasons: [{ code, message }],
    unmapped: [],
  });
  if (version === goal.version) return mustFinish("version_changed", `The run follows version ${version} already.`);
  if (status !== "waiting" && status !== "paused") {
    return mustFinish("not_parked", `Expected a run that waits or is paused; it is ${status}.`);
  }
  if (seq > LIMITS.sortedEvents) {
    return mustFinish("journal_too_long", `Expected a journal of at most ${LIMITS.sortedEvents} events; it has ${seq}.`);
  }
  const read = <T>(fn: Parameters<typeof database.asTenant<T>>[1]): Promise<T> => database.asTenant(tenantId, fn);
  const state = await readState({ codec, plans, log, read }, { ...run, tenantId });
  return { runId, version: state.version, status, ...sortForMove(state, goal.plan, goal.nodes) };
}

type Move = Target & { actor: string; nodes: Record<string, string> };

async function ask(deps: MoveDeps, sorted: LiveRun, { tenantId, actor, version: to, nodes }: Move): Promise<MovedRun> {
  const { runId, version: from } = sorted;
  const isAsked = await deps.database.asTenant(tenantId, async (tx) => {
    const record = await mustFind(tx, runId);
    if (!(await speak(deps, tx, { record, kind: "move", body: { by: actor, from, to, nodes } }))) return false;
    await deps.audit.record(tx, { tenantId, actor, action: "run.move_requested", target: `run:${runId}`, details: { from, to, nodes } });
    return true;
  });
  if (!isAsked)
    return { ...sorted, verdict: "must_finish", reasons: [{ code: "run_ending", message: "The run has ended." }], outcome: "refused" };
  deps.wake(runId);
  return { ...sorted, outcome: "accepted" };
}
