import { SNAPSHOT_VERSION, fromSnapshot, versionOfSnapshot, type RunState } from "#engine/index.ts";
import type { Log } from "../kernel/log.ts";
import { foldJournal, foldRest, planOf, type FoldDeps, type Journaled } from "./fold-journal.ts";
import { readSnapshot } from "./store/snapshots.pg.ts";
import { openSnapshot } from "./worker/snapshot-row.ts";

type Deps = FoldDeps & { log: Log };
export type Restored = { state: RunState; seq: number; bytes: number };

/** A run's newest snapshot. Undefined when there is none that this build can use: the journal is then read from its beginning. */
export async function restoreState(deps: Deps, run: Journaled): Promise<Restored | undefined> {
  const { id: runId } = run;
  const stored = await deps.read((tx) => readSnapshot(tx, runId));
  if (stored?.v !== SNAPSHOT_VERSION) return undefined;
  try {
    const json = openSnapshot(deps.codec, run, stored);
    const version = versionOfSnapshot(json);
    if (version === undefined) return undefined;
    const plan = await planOf(deps, run, version);
    const state = fromSnapshot(plan, json, { runId, plans: new Map([[version, plan]]), forgets: true });
    return state && { state, seq: stored.seq, bytes: stored.state.length };
  } catch (error) {
    deps.log.warn("a snapshot cannot be used; the run's journal is read from its beginning", { runId, seq: stored.seq, error });
    return undefined;
  }
}

/** A run's state as of now, for somebody who only looks at it. The codec must be prepared for the tenant. */
export async function readState(deps: Deps, run: Journaled): Promise<RunState> {
  const restored = await restoreState(deps, run);
  if (!restored) return foldJournal(deps, run);
  await foldRest(deps, run, restored.state);
  return restored.state;
}
