import type { Json } from "#contract/common.ts";
import type { EventDraft } from "#contract/journal.ts";
import type { MoveReason } from "#contract/versions.ts";
import { Messages } from "../messages.ts";
import { sortForMove } from "../versions/sort-for-move.ts";
import type { LiveRun } from "./live-run.ts";

const REASONS_KEPT = 20;

/**
 * What becomes of the wish to move a run. It was sorted when the wish was sent; what has happened since may make it unfit, and
 * then the journal says why. Nothing when the run follows that version already.
 */
export function moveDrafts(run: LiveRun, inboxId: string, body: Json): EventDraft[] {
  const { by, from, to, nodes } = Messages.move.parse(body);
  const { version } = run.state;
  if (version === to) return [];
  const place = { scope: "", nodeId: null, attempt: 0 } as const;
  const reasons = obstacles(run, { from, to, nodes });
  if (reasons.length === 0) return [{ kind: "version_moved", ...place, body: { by, inboxId, from: version, to, nodes } }];
  return [{ kind: "move_refused", ...place, body: { by, inboxId, to, reasons: reasons.slice(0, REASONS_KEPT) } }];
}

type Wish = { from: number; to: number; nodes: Record<string, string> };
function obstacles({ state, underWay, appendsInFlight }: LiveRun, { from, to, nodes }: Wish): MoveReason[] {
  const plan = state.plans.get(to);
  if (state.version !== from || !plan) return [{ code: "version_changed", message: `The run follows version ${state.version} by now.` }];
  if (underWay.size > 0 || appendsInFlight > 0) return [{ code: "not_parked", message: "Something of the run is under way." }];
  return sortForMove(state, plan, nodes).reasons;
}
