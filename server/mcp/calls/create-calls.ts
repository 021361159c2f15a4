import type { Handled } from "#server/kernel/handle.ts";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import { createAskPeople, type QuestionDeps } from "../questions/ask-people.ts";
import { createAllowTool } from "./allow-tool.ts";
import { createExecuteTool } from "./execute-tool.ts";
import { frameRoutes } from "./frame-routes.ts";
import { createCallTool, createInvokeTool, type CallTool, type InvokeTool } from "./invoke-tool.ts";
import type { ReplayDeps } from "./replay-frame.ts";
import { frameUseCases } from "./server-frames.ts";

type Deps = Omit<ReplayDeps, "invoke"> & QuestionDeps & { firstListMs: number };
type Calls = { call: CallTool; invoke: InvokeTool; executeTool: StepExecutor; routes: Handled[] };

/** The ways to a tool: as its server answers, as a person sees it, and as a step of a run. All of them ask first whether it may be called. */
export function createCalls(deps: Deps): Calls {
  const allow = createAllowTool(deps);
  const call = createCallTool(allow);
  const invoke = createInvokeTool(call);
  const routes = frameRoutes(frameUseCases({ ...deps, invoke }));
  return { call, invoke, executeTool: createExecuteTool({ ...deps, allow, invoke, askPeople: createAskPeople(deps) }), routes };
}
