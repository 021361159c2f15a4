import type { Json } from "#contract/common.ts";
import type { PublishedWorkflow, Workflow, WorkflowDetail } from "#contract/workflows.ts";
import { AppError } from "../kernel/errors.ts";
import type { Tx } from "../kernel/ports.ts";
import { mustBeValid, type CheckedDefinition } from "./definition.ts";
import type { WorkflowsDeps } from "./deps.ts";
import { findHash, findWorkflow, findWorkflowByName, insertWorkflow, markDeleted, publishVersion, renameWorkflow } from "./store.pg.ts";
import { toolWarnings } from "./tool-warnings.ts";

type Author = { tenantId: string; actor: string };
export type CreateRequest = Author & { name: string; definition: Json };

export const workflowNotFound = (id: string): AppError => new AppError("not_found", `There is no workflow ${id}.`);

/** Fails with `workflow_invalid` or `name_taken`. */
export const createWorkflow =
  (deps: WorkflowsDeps) =>
  async (request: CreateRequest): Promise<WorkflowDetail> => {
    const checked = checkRequest(request);
    const workflow = await deps.database.asTenant(request.tenantId, (tx) => create(deps, tx, { ...request, checked }));
    return warned(deps, request.tenantId, announced(deps, request.tenantId, { workflow, checked }));
  };

export type UpdateRequest = Author & { id: string; name?: string | undefined; definition: Json; baseVersion?: number | undefined };

/** Publishes a new version; a definition that equals the newest one makes none. Fails with `conflict` when `baseVersion` is not the newest. */
export const updateWorkflow =
  (deps: WorkflowsDeps) =>
  async (request: UpdateRequest): Promise<PublishedWorkflow> => {
    const { tenantId, id, baseVersion } = request;
    if (request.name !== undefined) checkName(request.name);
    const { workflow, checked } = await deps.database.asTenant(tenantId, async (tx) => {
      const current = await findWorkflow(tx, id, "lock");
      if (!current) throw workflowNotFound(id);
      if (baseVersion !== undefined && baseVersion !== current.version) {
        throw new AppError("conflict", `The change was made on version ${baseVersion}; the newest is ${current.version}.`);
      }
      const name = request.name ?? current.name;
      const checked = mustBeValid(request.definition, name);
      return { workflow: await publish(deps, tx, { ...request, name, current, checked }), checked };
    });
    const liveRuns = await deps.countLiveRuns({ tenantId, workflowId: id, version: workflow.version });
    const saved = await warned(deps, tenantId, announced(deps, tenantId, { workflow, checked }));
    return { ...saved, liveRuns };
  };

/** Creates the workflow of this name, or brings it to this definition. Doing it again changes nothing. */
export const saveWorkflow =
  (deps: WorkflowsDeps) =>
  async (request: CreateRequest): Promise<WorkflowDetail> => {
    const checked = checkRequest(request);
    const { tenantId, name } = request;
    const workflow = await deps.database.asTenant(tenantId, async (tx) => {
      const named = await findWorkflowByName(tx, name);
      const current = named && (await findWorkflow(tx, named.id, "lock"));
      return current ? publish(deps, tx, { ...request, current, checked }) : create(deps, tx, { ...request, checked });
    });
    return announced(deps, tenantId, { workflow, checked });
  };

/** The name is free again; versions and runs stay. */
export const deleteWorkflow =
  ({ database, audit }: WorkflowsDeps) =>
  async ({ tenantId, actor, id }: Author & { id: string }): Promise<void> => {
    await database.asTenant(tenantId, async (tx) => {
      if (!(await markDeleted(tx, id))) throw workflowNotFound(id);
      await audit.record(tx, { tenantId, actor, action: "workflow.deleted", target: `workflow:${id}` });
    });
  };

/** A workflow with what would keep its steps from calling their tools in production. */
async function warned({ judgeUses }: WorkflowsDeps, tenantId: string, saved: WorkflowDetail): Promise<WorkflowDetail> {
  const warnings = await toolWarnings(judgeUses, { tenantId, environment: "production" }, saved.definition);
  return warnings.length === 0 ? saved : { ...saved, warnings };
}

function checkRequest({ name, definition }: CreateRequest): CheckedDefinition {
  checkName(name);
  return mustBeValid(definition, name);
}

/** PostgreSQL cannot store NUL in text. */
function checkName(name: string): void {
  if (!name.includes("\0")) return;
  throw new AppError("request_invalid", "A name cannot contain NUL.", { issues: [{ path: "name", message: "must not contain NUL" }] });
}

type Change = Author & { name: string; checked: CheckedDefinition };

async function create({ audit, newId }: WorkflowsDeps, tx: Tx, { tenantId, actor, name, checked }: Change): Promise<Workflow> {
  const workflow = await insertWorkflow(tx, { id: newId(), tenantId, name, version: 1, checked, actor });
  await audit.record(tx, {
    tenantId,
    actor,
    action: "workflow.created",
    target: `workflow:${workflow.id}`,
    details: { name, hash: checked.hash },
  });
  return workflow;
}

async function publish({ audit }: WorkflowsDeps, tx: Tx, change: Change & { current: Workflow }): Promise<Workflow> {
  const { tenantId, actor, name, checked, current } = change;
  const { id } = current;
  const isSame = (await findHash(tx, { workflowId: id, version: current.version })) === checked.hash;
  if (isSame && current.name === name) return current;
  const version = isSame ? current.version : current.version + 1;
  const workflow = isSame ? await renameWorkflow(tx, id, name) : await publishVersion(tx, { id, tenantId, name, version, checked, actor });
  await audit.record(tx, {
    tenantId,
    actor,
    action: "workflow.updated",
    target: `workflow:${id}`,
    details: { name, version, hash: checked.hash },
  });
  return workflow;
}

type Done = { workflow: Workflow; checked: CheckedDefinition };
function announced({ live }: WorkflowsDeps, tenantId: string, { workflow, checked }: Done): WorkflowDetail {
  live.publish(tenantId, { type: "workflow", workflowId: workflow.id, version: workflow.version });
  const { definition, source } = checked;
  return { ...workflow, definition, ...(source !== undefined && { source }) };
}
