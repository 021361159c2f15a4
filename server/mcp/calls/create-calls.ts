import type { Audit, Database } from "#server/kernel/ports.ts";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { createAllowTool } from "./allow-tool.ts";
import { createExecuteTool } from "./execute-tool.ts";
import { createCallTool, createInvokeTool, type CallTool, type InvokeTool } from "./invoke-tool.ts";

type Deps = { database: Database; audit: Audit; supervisor: Supervisor; firstListMs: number };

/** The ways to a tool: as its server answers, as a person sees it, and as a step of a run. All of them ask first whether it may be called. */
export function createCalls(deps: Deps): { call: CallTool; invoke: InvokeTool; executeTool: StepExecutor } {
  const allow = createAllowTool(deps);
  const call = createCallTool(allow);
  const invoke = createInvokeTool(call);
  return { call, invoke, executeTool: createExecuteTool({ ...deps, allow, invoke }) };
}
