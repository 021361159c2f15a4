import { isFinal, type Run, type RunStatus, type RunSummary } from "#contract/runs.ts";
import type { LiveBus } from "../kernel/ports.ts";
import { createBell } from "../kernel/bell.ts";
import type { UseCaseDeps } from "./deps.ts";
import { readRun, runNotFound } from "./read-run.ts";
import { findStatuses, selectNamed } from "./store/runs.pg.ts";

type Deps = Pick<UseCaseDeps, "database" | "codec"> & { live: LiveBus };
type Wait = { tenantId: string; timeoutMs: number; signal: AbortSignal };

/** Hints are best effort: without one, the runs are looked at anyway. */
const LOOK_EVERY_MS = 1_000;

/** The run, once it is over or the time is up. Throws `not_found` at once. */
export const awaitRun =
  (deps: Deps) =>
  async ({ runId, ...wait }: Wait & { runId: string }): Promise<Run> => {
    await untilOver(deps, { ...wait, ids: [runId], until: "all" });
    await deps.codec.prepare(wait.tenantId);
    return deps.database.asTenant(wait.tenantId, (tx) => readRun(tx, deps.codec, runId));
  };

type WaitForAll = Wait & { ids: readonly string[]; until: "all" | "any" };

/** The runs in the order of their ids, once all (or any) of them are over or the time is up. Throws `not_found` at once. */
export const awaitRuns =
  (deps: Deps) =>
  async (wait: WaitForAll): Promise<{ items: RunSummary[]; isOver: boolean }> => {
    const isOver = await untilOver(deps, wait);
    const found = await deps.database.asTenant(wait.tenantId, (tx) => selectNamed(tx, wait.ids));
    const byId = new Map(found.map((run) => [run.id, run]));
    return { items: wait.ids.flatMap((id) => byId.get(id) ?? []), isOver };
  };

/** False when the time is up. */
async function untilOver({ database, live }: Deps, { tenantId, ids, until, timeoutMs, signal }: WaitForAll): Promise<boolean> {
  const wanted = new Set(ids);
  const bell = createBell(signal);
  const unsubscribe = live.subscribe(tenantId, (event) => {
    if (event.type === "resync" || (event.type === "run" && wanted.has(event.runId) && isFinal(event.status))) bell.ring();
  });
  const endsAt = performance.now() + timeoutMs;
  try {
    for (;;) {
      const statuses = await database.asTenant(tenantId, (tx) => findStatuses(tx, ids));
      const absent = ids.find((id) => !statuses.has(id));
      if (absent !== undefined) throw runNotFound(absent);
      if (isDone([...statuses.values()], until)) return true;
      const leftMs = endsAt - performance.now();
      if (leftMs <= 0 || signal.aborted) return false;
      await bell.rung(Math.min(LOOK_EVERY_MS, leftMs));
    }
  } finally {
    unsubscribe();
  }
}

const isDone = (statuses: readonly RunStatus[], until: "all" | "any"): boolean =>
  until === "all" ? statuses.every(isFinal) : statuses.some(isFinal);
