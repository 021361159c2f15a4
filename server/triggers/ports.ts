import type { Json } from "#contract/common.ts";
import type { Run } from "#contract/runs.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Audit, Database, Egress, Redactor, ValueCodec } from "#server/kernel/ports.ts";
import type { TriggerSettings } from "./settings.ts";

export type StartRequest = {
  tenantId: string;
  initiator: string;
  workflowId: string;
  version?: number | undefined;
  input: Json;
  tags?: readonly string[];
  /** The same key with the same request answers with the same run. */
  idempotencyKey?: string;
};

/** What triggers need of runs. */
export interface RunStarts {
  /** Answers when the run is durable. */
  startRun(request: StartRequest): Promise<Run>;
  /** Throws `not_found`. */
  getRun(tenantId: string, runId: string): Promise<Run>;
  /** Throws `run_transition_invalid` when the run is over. */
  cancelRun(request: { tenantId: string; actor: string; runId: string; reason: string }): Promise<Run>;
}

/** What triggers need of workflows. */
export interface Startables {
  /** Undefined when the tenant has no such workflow; throws `version_unknown`. */
  loadForStart(ref: { tenantId: string; workflowId: string; version?: number | undefined }): Promise<object | undefined>;
}

/** Steps of runs that wait to be called from outside; whoever knows such an address may call it. */
export interface StepHooks {
  /** Undefined when the id is not the address of any step. */
  read(id: string): StepPlace | undefined;
  /** Throws `not_found` or `run_transition_invalid`. */
  call(call: StepPlace & { tenantId: string; payload: Json }): Promise<void>;
}
type StepPlace = { runId: string; nodeId: string; scope: string };

export type TriggersDeps = {
  database: Database;
  audit: Audit;
  /** Told of every secret of a webhook before it is used. */
  redactor: Redactor & { track(value: string): void };
  codec: ValueCodec;
  egress: Egress;
  log: Log;
  newId: () => string;
  now: () => Date;
  /** In [0,1); spreads the delays of retries. */
  random?: () => number;
  runs: RunStarts;
  workflows: Startables;
  /** An owner's registration opens the way to an address, be it loopback or private. */
  ownerApproves: boolean;
  stepHooks: StepHooks;
  /** False for a process that fires and delivers nothing. Default true. */
  drives?: boolean;
  settings?: Partial<TriggerSettings>;
};
