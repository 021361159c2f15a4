import { useMemo } from "react";
import type { Definition, WorkflowNode } from "#contract/definition.ts";
import type { Run } from "#contract/runs.ts";
import type { RunState, StepState, StepStatus } from "#engine/types.ts";
import type { RunView } from "../../api/journal.ts";
import { historyKey, readHistories, type StepHistory } from "../../graph/attempts.ts";
import { labelsOf } from "../../graph/describe-node.ts";
import { overlays, shownStatus, stepsByNode, type Overlay, type StepIndex } from "../../graph/overlay.ts";
import type { StepRef } from "../../graph/scope.ts";
import { buildTimeline, type TimelineRow } from "../../graph/timeline.ts";
import { edgeFlow, type EdgeFlow } from "../../graph/to-flow.ts";

/** Everything the run page shows, computed from the run and its journal; pure, so live and afterwards it is the same. */
export type RunModel = {
  run: Run;
  view: RunView;
  labels: ReadonlyMap<string, string>;
  index: StepIndex;
  histories: ReadonlyMap<string, StepHistory>;
  timeline: readonly TimelineRow[];
  stepAt: (ref: StepRef) => StepState | undefined;
  /** A node of the definition, or a member of a team. */
  nodeAt: (nodeId: string) => WorkflowNode | undefined;
};

export function useRunModel(run: Run, view: RunView): RunModel {
  return useMemo(() => runModel(run, view), [run, view]);
}

export function runModel(run: Run, view: RunView): RunModel {
  const { definition, state, events } = view;
  const histories = readHistories(events);
  const runStart = Date.parse(events[0]?.at ?? run.createdAt);
  return {
    run,
    view,
    labels: labelsOf(definition),
    index: state ? stepsByNode(state) : new Map<string, readonly StepState[]>(),
    histories,
    timeline: buildTimeline({ histories, edges: definition?.edges ?? [], runStart }),
    nodeAt: (nodeId) => state?.plan.nodes.get(nodeId)?.node ?? definition?.nodes.find(({ id }) => id === nodeId),
    stepAt: ({ scope, nodeId }) => state?.steps.get(historyKey(scope, nodeId)),
  };
}

/** What the canvas shows of a run, with the items on the path of the chosen step singled out. */
export function canvasOf(
  model: RunModel,
  definition: Definition,
  scope: string,
): { overlays: Map<string, Overlay>; flows: Map<string, EdgeFlow> } {
  const shown = overlays(definition, model.index, scope);
  for (const overlay of shown.values()) overlay.status = shownStatus(overlay.status, model.run.status);
  const handles = handlesOf(model.view.state, model.index, shown);
  const stateOf = (nodeId: string): "idle" | "active" | "done" | "skipped" => {
    const status = shown.get(nodeId)?.status ?? "pending";
    if (status === "pending") return "idle";
    if (status === "skipped") return "skipped";
    return isUnderWay(status) ? "active" : "done";
  };
  const flows = new Map(definition.edges.map((edge) => [edge.id, edgeFlow(edge, (nodeId) => handles.get(nodeId), stateOf)]));
  return { overlays: shown, flows };
}

const isUnderWay = (status: StepStatus): boolean =>
  status === "running" || status === "ready" || status === "waiting" || status === "retrying" || status === "parked";

/** By which handle each node went on. For a node that stands for many items: the handle that most of them took. */
function handlesOf(state: RunState | undefined, index: StepIndex, shown: ReadonlyMap<string, Overlay>): Map<string, string> {
  const handles = new Map<string, string>();
  if (!state) return handles;
  for (const [nodeId, steps] of index) {
    const first = steps.find((step) => step.handle !== undefined)?.handle;
    if (first !== undefined && shown.get(nodeId)?.status !== "pending") handles.set(nodeId, first);
  }
  return handles;
}
