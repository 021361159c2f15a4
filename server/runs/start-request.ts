import type { Json } from "#contract/common.ts";
import type { EditorOptions, ParentStep } from "#contract/journal.ts";
import type { RunMode } from "#contract/runs.ts";

export type StartRequest = {
  tenantId: string;
  /** Who starts it: `user:<id>`, or what stands for the platform itself. */
  initiator: string;
  workflowId: string;
  /** The newest unless named. */
  version?: number | undefined;
  input: Json;
  tags?: readonly string[] | undefined;
  parentRunId?: string | undefined;
  /** The step that waits for the end of this run. */
  parentStep?: ParentStep | undefined;
  /** How many runs are above it. */
  depth?: number | undefined;
  mode?: RunMode | undefined;
  /** Only with `mode: editor`. */
  editor?: EditorOptions | undefined;
  /** Repeating the same request with the same key answers with the same run. Keys belong to the initiator. */
  idempotencyKey?: string | undefined;
};
