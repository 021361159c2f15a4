import { z } from "zod";

export const WORKFLOW_TABS = ["graph", "input", "versions", "definition"] as const;
export type WorkflowTab = (typeof WORKFLOW_TABS)[number];

export const WorkflowsSearch = z.object({ q: z.coerce.string().max(120).optional().catch(undefined) });
export const WorkflowSearch = z.object({
  tab: z.enum(WORKFLOW_TABS).optional().catch(undefined),
  /** The node that is chosen on the canvas. */
  node: z.string().max(64).optional().catch(undefined),
});
