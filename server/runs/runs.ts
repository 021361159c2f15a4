import type { Run } from "#contract/runs.ts";
import type { Handled } from "../kernel/handle.ts";
import type { UseCases } from "./routes.ts";
import type { StartRequest } from "./start-request.ts";

export type Runs = {
  readonly routes: Handled[];
  /** Begins to claim and drive runs; does nothing in a process that does not drive. */
  start(): Promise<void>;
  /** Claims nothing more, lets commits finish, aborts open calls after a while, and gives up the leases. Takes starts meanwhile. */
  stop(): Promise<void>;
  startRun(request: StartRequest): Promise<Run>;
  getRun(tenantId: string, runId: string): Promise<Run>;
  cancelRun: UseCases["cancel"];
  callHook: UseCases["callHook"];
  resumeStep: UseCases["resumeStep"];
  /** Of this environment, by version of a workflow. */
  liveRunsByVersion: UseCases["versions"]["live"];
  countLiveRuns: UseCases["versions"]["count"];
  /** Runs that this process holds in memory. */
  activeCount(): number;
};
