import type { Registry } from "prom-client";
import { getServerCalls } from "#contract/mcp/calls.ts";
import { handle, type Handled } from "#server/kernel/handle.ts";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import { createAskPeople, type QuestionDeps } from "../questions/ask-people.ts";
import { createAllowTool } from "./allow-tool.ts";
import { createExecuteTool } from "./execute-tool.ts";
import { frameRoutes } from "./frame-routes.ts";
import { CallGuard } from "./guard-calls.ts";
import { createCallTool, createInvokeTool, type CallTool, type InvokeTool } from "./invoke-tool.ts";
import type { ReplayDeps } from "./replay-frame.ts";
import { frameUseCases } from "./server-frames.ts";

type Deps = Omit<ReplayDeps, "invoke"> &
  QuestionDeps & { now: () => Date; registry?: Registry | undefined; tenantCalls?: number | undefined; firstListMs: number };
type Calls = { call: CallTool; invoke: InvokeTool; executeTool: StepExecutor; routes: Handled[] };

/** The ways to a tool: as its server answers, as a person sees it, and as a step of a run. All of them ask first whether it may be called. */
export function createCalls(deps: Deps): Calls {
  const allow = createAllowTool(deps);
  const guard = new CallGuard(deps);
  const call = createCallTool(allow, guard);
  const invoke = createInvokeTool(call);
  const { supervisor } = deps;
  const routes = [
    ...frameRoutes(frameUseCases({ ...deps, invoke })),
    handle(getServerCalls, async ({ caller, params }) => guard.view(await supervisor.get(caller.tenantId, params.id))),
  ];
  return { call, invoke, executeTool: createExecuteTool({ ...deps, allow, invoke, askPeople: createAskPeople(deps) }), routes };
}
