import type { Handled } from "../kernel/handle.ts";
import { saveWorkflow } from "./change-workflows.ts";
import type { WorkflowsDeps } from "./deps.ts";
import { createPlans, type Plans } from "./plans.ts";
import { workflowsUsing } from "./workflows-using.ts";
import { workflowRoutes } from "./routes.ts";
import { secretsUsed } from "./secrets-used.ts";
import { toolsUsed } from "./tools-used.ts";

export type { WorkflowsDeps } from "./deps.ts";

export type Workflows = Plans & {
  /** For whoever is about to change or stop a tool. */
  using: ReturnType<typeof workflowsUsing>;
  readonly routes: Handled[];
  /** Creates the workflow of this name, or brings it to this definition. For templates and the command line. */
  save: ReturnType<typeof saveWorkflow>;
  toolsUsed: ReturnType<typeof toolsUsed>;
  secretsUsed: ReturnType<typeof secretsUsed>;
};

export function createWorkflows(deps: WorkflowsDeps): Workflows {
  const shown = { using: workflowsUsing(deps), toolsUsed: toolsUsed(deps), secretsUsed: secretsUsed(deps) };
  return { ...createPlans(deps.database), routes: workflowRoutes(deps), save: saveWorkflow(deps), ...shown };
}
