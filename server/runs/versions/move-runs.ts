import type { Page } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { FINAL_STATUSES, RUN_STATUSES, type RunStatus } from "#contract/runs.ts";
import type { LiveRun, MovedRun, MoveReason } from "#contract/versions.ts";
import type { Plan } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { decodeCursor, toPage, UUID } from "../../kernel/paging.ts";
import type { PlanSource } from "../ports.ts";
import { runNotFound } from "../read-run.ts";
import { readState } from "../read-state.ts";
import { mustFind, speak, type SpeakDeps } from "../send-message.ts";
import { selectRuns, type RunRecord } from "../store/runs.pg.ts";
import { sortForMove } from "./sort-for-move.ts";

type Deps = SpeakDeps & { plans: PlanSource; log: Log };
type Target = { tenantId: string; workflowId: string; version: number };
type ListRequest = Target & { limit: number; cursor?: string | undefined };
type MoveRequest = Target & { actor: string; runIds?: string[] | undefined; nodes: Record<string, string> };

const LIVE: RunStatus[] = RUN_STATUSES.filter((status) => !FINAL_STATUSES.some((final) => final === status));

/** The live runs on other versions, each sorted by whether it could go on with this one. */
export const listLiveRuns =
  (deps: Deps) =>
  async ({ limit, cursor, ...target }: ListRequest): Promise<Page<LiveRun>> => {
    const plan = await planOf(deps, target);
    const [before] = decodeCursor(cursor, [UUID]) ?? [];
    const found = await liveRuns(deps, target, { limit: limit + 1, before });
    const page = toPage(found, { limit, map: (run) => run, key: ({ id }) => [id] });
    const items: LiveRun[] = [];
    for (const run of page.items) items.push(await sortOne(deps, { run, target, plan, nodes: {} }));
    return { items, nextCursor: page.nextCursor };
  };

/** Asks those runs that the mapping makes compatible to go on with this version; says of each whether it was asked, or why not. */
export const moveRuns =
  (deps: Deps) =>
  async ({ actor, runIds, nodes, ...target }: MoveRequest): Promise<{ items: MovedRun[] }> => {
    const plan = await planOf(deps, target);
    const runs = runIds ? await namedRuns(deps, target, runIds) : await liveRuns(deps, target, { limit: LIMITS.movedRuns });
    const items: MovedRun[] = [];
    for (const run of runs) {
      const sorted = await sortOne(deps, { run, target, plan, nodes });
      items.push(
        sorted.verdict === "compatible" ? await ask(deps, sorted, { ...target, actor, nodes }) : { ...sorted, outcome: "refused" },
      );
    }
    return { items };
  };

async function planOf({ plans, codec }: Deps, target: Target): Promise<Plan> {
  await codec.prepare(target.tenantId);
  const found = await plans.loadForStart(target);
  if (!found) throw new AppError("not_found", `There is no workflow ${target.workflowId}.`);
  return found.plan;
}

type Subject = Pick<RunRecord, "id" | "version" | "status" | "seq" | "workflowId">;

const liveRuns = ({ database }: Deps, { tenantId, workflowId, version }: Target, page: { limit: number; before?: string | undefined }) =>
  database.asTenant(tenantId, (tx) => selectRuns(tx, { ...page, workflowId, status: LIVE, otherThanVersion: version }));

/** Throws when one of them is not a run of this workflow: then nothing is asked of any. */
async function namedRuns({ database }: Deps, { tenantId, workflowId }: Target, runIds: readonly string[]): Promise<Subject[]> {
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

type Sorting = { run: Subject; target: Target; plan: Plan; nodes: Record<string, string> };

async function sortOne({ database, codec, plans, log }: Deps, { run, target, plan, nodes }: Sorting): Promise<LiveRun> {
  const { id: runId, version, status, seq } = run;
  const mustFinish = (code: MoveReason["code"], message: string): LiveRun => ({
    runId,
    version,
    status,
    verdict: "must_finish",
    reasons: [{ code, message }],
    unmapped: [],
  });
  if (version === target.version) return mustFinish("version_changed", `The run follows version ${version} already.`);
  if (status !== "waiting" && status !== "paused") {
    return mustFinish("not_parked", `Expected a run that waits or is paused; it is ${status}.`);
  }
  if (seq > LIMITS.sortedEvents) {
    return mustFinish("journal_too_long", `Expected a journal of at most ${LIMITS.sortedEvents} events; it has ${seq}.`);
  }
  const { tenantId } = target;
  const read = <T>(fn: Parameters<typeof database.asTenant<T>>[1]): Promise<T> => database.asTenant(tenantId, fn);
  const state = await readState({ codec, plans, log, read }, { ...run, tenantId });
  return { runId, version: state.version, status, ...sortForMove(state, plan, nodes) };
}

type Move = Target & { actor: string; nodes: Record<string, string> };

async function ask(deps: Deps, sorted: LiveRun, { tenantId, actor, version: to, nodes }: Move): Promise<MovedRun> {
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
