import type { NodeType } from "#contract/definition.ts";
import type { EventKind } from "#contract/journal.ts";
import type { RunStatus } from "#contract/runs.ts";
import type { OutsideType, Plan } from "#engine/index.ts";
import type { StepExecutor } from "../kernel/step-executor.ts";
import type { BatchReport } from "./journal/lane.ts";

/** A version of a workflow as a new run needs it. */
export type StartableVersion = {
  workflowId: string;
  workflowName: string;
  version: number;
  plan: Plan;
  /** The newest version of the workflow. */
  newest: number;
  /** As this process last heard, which may be some time ago. */
  isRemembered: boolean;
};

/** Where runs get their definitions from. Versions never change, so plans may be cached for ever. */
export type PlanSource = {
  /**
   * For a new run: the newest version unless one is named. Undefined when the tenant has no such workflow; throws `version_unknown`.
   * With `mayBeRemembered` the caller finds out itself whether the name and the newest version are still the same.
   */
  loadForStart(ref: {
    tenantId: string;
    workflowId: string;
    version?: number | undefined;
    mayBeRemembered?: boolean;
  }): Promise<StartableVersion | undefined>;
  /** The same by id or by name. */
  findForStart(ref: { tenantId: string; workflow: string; version?: number | undefined }): Promise<StartableVersion | undefined>;
  /** For a claimed run, also when its workflow has been deleted since. */
  loadPlan(ref: { tenantId: string; workflowId: string; version: number }): Promise<Plan>;
};

/** What the other slices carry out; the rest is carried out by this one. */
export type Executors = Record<Exclude<OutsideType, "subworkflow" | "http" | "code">, StepExecutor>;
export type AllExecutors = Record<OutsideType, StepExecutor>;

/** What telemetry may count. Called on the journal's path: must return at once and must not throw. */
export type RunsObserver = {
  onRunStarted?: (run: { workflowId: string }) => void;
  onRunEnded?: (run: { workflowId: string; status: RunStatus }) => void;
  /** Once per stored event of a step that ends an attempt. */
  onStep?: (step: { type: NodeType; event: Extract<EventKind, `step_${string}`>; willRetry: boolean }) => void;
  onBatch?: (batch: BatchReport) => void;
};
