import type { Command } from "#engine/index.ts";
import type { LiveRun } from "../driver/live-run.ts";
import type { Limit } from "./slot-leases.ts";

type Invoke = Extract<Command, { kind: "invoke" }>;
export type Bound = { binding?: Record<string, string> | undefined; callsPerTenant: number | undefined };

/**
 * The limits that a call is under, always in the same order: of its node over all runs of the workflow, of its agent, of its tenant.
 * The start of a child run is no call of the tenant's: the child's own calls are.
 */
export function limitsOf({ tenantId, workflowId, state }: LiveRun, { nodeId, type }: Invoke, { binding, callsPerTenant }: Bound): Limit[] {
  const limits: Limit[] = [];
  const ofNode = state.plan.nodes.get(nodeId)?.node.policy?.concurrency;
  if (ofNode !== undefined) limits.push({ tenantId, key: `node/${workflowId}/${nodeId}`, atOnce: ofNode });
  const { agent, agentConcurrency } = binding ?? {};
  if (agentConcurrency !== undefined) limits.push({ tenantId, key: `agent/${agent}`, atOnce: Number(agentConcurrency) });
  if (callsPerTenant !== undefined && type !== "subworkflow") limits.push({ tenantId, key: "tenant", atOnce: callsPerTenant });
  return limits;
}
