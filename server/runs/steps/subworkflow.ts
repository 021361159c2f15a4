import { z } from "zod";
import { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import type { Run } from "#contract/runs.ts";
import { AppError } from "../../kernel/errors.ts";
import type { StepCall, StepExecutor, StepRequest } from "../../kernel/step-executor.ts";
import type { PlanSource, StartableVersion } from "../ports.ts";
import type { StartRequest } from "../start-request.ts";

export type SubworkflowDeps = { plans: PlanSource; startRun: (request: StartRequest) => Promise<Run> };

const Input = z.object({ workflow: z.string(), version: z.number().int().optional(), input: Json.default({}) });

/**
 * Starts a child run and returns its id; the step then waits for its end. The call's key is the start's Idempotency-Key, so that a
 * repeated call finds the same child.
 */
export function subworkflowExecutor({ plans, startRun }: SubworkflowDeps): StepExecutor {
  const find = async ({ tenantId, input }: StepRequest): Promise<StartableVersion> => {
    const { workflow, version } = Input.parse(input);
    const found = await plans.findForStart({ tenantId, workflow, version });
    if (!found) throw new AppError("not_found", `There is no workflow ${workflow}.`);
    return found;
  };
  return {
    prepare: async (request) => {
      checkDepth(request);
      const { workflowId, version } = await find(request);
      return { binding: { workflowId, version: String(version) } };
    },
    run: async (call) => {
      const { id } = await startRun({ ...(await target(call, find)), ...childOf(call) });
      return id;
    },
  };
}

function checkDepth({ depth }: StepRequest): void {
  if (depth + 1 < LIMITS.runDepth) return;
  throw new AppError("run_depth_exceeded", `Expected at most ${LIMITS.runDepth} levels of runs; this would be one more.`);
}

/** The version that was chosen when the step began. */
async function target(
  call: StepCall,
  find: (request: StepRequest) => Promise<StartableVersion>,
): Promise<{ workflowId: string; version: number }> {
  const { workflowId, version } = call.binding ?? {};
  if (workflowId === undefined || version === undefined) return find(call);
  return { workflowId, version: Number(version) };
}

function childOf({ tenantId, initiator, depth, step: { runId, scope, nodeId }, input, key }: StepCall) {
  return {
    tenantId,
    initiator,
    input: Input.parse(input).input,
    parentRunId: runId,
    parentStep: { runId, scope, nodeId },
    depth: depth + 1,
    idempotencyKey: `step:${key}`,
  };
}
