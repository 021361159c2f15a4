import type { Environment } from "#contract/common.ts";
import type { LiveRunCounts } from "#contract/versions.ts";
import type { KnownValue } from "../kernel/known-value.ts";
import type { Audit, Database, LiveBus, ToolPresets } from "../kernel/ports.ts";

/** What is known to be wrong with steps that call tools: a list for each, in their order. `path` is below the step's data. */
export type JudgeUses = (of: {
  tenantId: string;
  environment: Environment;
  uses: readonly { server: string; tool: string; arguments: KnownValue }[];
}) => Promise<{ path: string; code: string; message: string }[][]>;

export type WorkflowsDeps = {
  database: Database;
  audit: Audit;
  live: LiveBus;
  newId: () => string;
  judgeUses: JudgeUses;
  /** How the live runs on other versions of a workflow are sorted by this one. */
  countLiveRuns: (version: { tenantId: string; workflowId: string; version: number }) => Promise<LiveRunCounts>;
  /** How many live runs each version has in an environment. */
  liveRuns: (of: { tenantId: string; environment: Environment }) => Promise<{ workflowId: string; version: number; runs: number }[]>;
  /** The versions that something starts by their numbers, whichever is the newest. */
  namedVersions: (tenantId: string) => Promise<{ workflowId: string; version: number }[]>;
  toolPresets: ToolPresets;
};
