import type { Environment } from "#contract/common.ts";
import type { LiveRunCounts } from "#contract/versions.ts";
import type { Audit, Database, LiveBus, ToolPresets } from "../kernel/ports.ts";

export type WorkflowsDeps = {
  database: Database;
  audit: Audit;
  live: LiveBus;
  newId: () => string;
  /** How the live runs on other versions of a workflow are sorted by this one. */
  countLiveRuns: (version: { tenantId: string; workflowId: string; version: number }) => Promise<LiveRunCounts>;
  /** How many live runs each version has in an environment. */
  liveRuns: (of: { tenantId: string; environment: Environment }) => Promise<{ workflowId: string; version: number; runs: number }[]>;
  toolPresets: ToolPresets;
};
