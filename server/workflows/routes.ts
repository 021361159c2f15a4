import * as contract from "#contract/workflows.ts";
import { handle, type Handled } from "../kernel/handle.ts";
import { createWorkflow, deleteWorkflow, updateWorkflow } from "./change-workflows.ts";
import type { WorkflowsDeps } from "./deps.ts";
import { listNodeTypes } from "./list-node-types.ts";
import { getVersion, getWorkflow, listVersions, listWorkflows, validateWorkflow, validation } from "./show-workflows.ts";

export function workflowRoutes(deps: WorkflowsDeps): Handled[] {
  const create = createWorkflow(deps);
  const update = updateWorkflow(deps);
  const remove = deleteWorkflow(deps);
  const list = listWorkflows(deps);
  const get = getWorkflow(deps);
  const versions = listVersions(deps);
  const version = getVersion(deps);
  const validate = validateWorkflow(deps);
  const nodeTypes = listNodeTypes(deps);
  const validateGiven = validation(deps);
  return [
    handle(contract.listWorkflows, ({ query, caller }) => list(caller.tenantId, query)),
    handle(contract.createWorkflow, ({ body, caller }) => create({ ...body, tenantId: caller.tenantId, actor: caller.ref })),
    handle(contract.getWorkflow, ({ params, caller }) => get(caller.tenantId, params.id)),
    handle(contract.updateWorkflow, ({ params, body, caller }) =>
      update({ ...body, id: params.id, tenantId: caller.tenantId, actor: caller.ref }),
    ),
    handle(contract.deleteWorkflow, async ({ params, caller }) => {
      await remove({ tenantId: caller.tenantId, actor: caller.ref, id: params.id });
      return undefined;
    }),
    handle(contract.listWorkflowVersions, ({ params, query, caller }) => versions(caller.tenantId, { ...query, id: params.id })),
    handle(contract.getWorkflowVersion, ({ params, caller }) =>
      version(caller.tenantId, { workflowId: params.id, version: params.version }),
    ),
    handle(contract.validateWorkflow, ({ params, body, caller }) =>
      validate({ environment: "production", ...body, id: params.id, tenantId: caller.tenantId }),
    ),
    handle(contract.validateDefinition, ({ body, caller }) => validateGiven({ ...body, tenantId: caller.tenantId })),
    handle(contract.listNodeTypes, ({ query, caller }) => nodeTypes(caller.tenantId, query)),
  ];
}
