import type { Environment, Json, Page } from "#contract/common.ts";
import { copyJson } from "#contract/parse-json.ts";
import type { Validation, Workflow, WorkflowDetail, WorkflowVersion } from "#contract/workflows.ts";
import { AppError } from "../kernel/errors.ts";
import { decodeCursor, toPage, UUID } from "../kernel/paging.ts";
import type { Tx } from "../kernel/ports.ts";
import { workflowNotFound } from "./change-workflows.ts";
import { checkDefinition } from "./definition.ts";
import type { WorkflowsDeps } from "./deps.ts";
import { findVersion, findWorkflow, selectVersions, selectWorkflows, type StoredVersion } from "./store.pg.ts";
import { toolWarnings } from "./tool-warnings.ts";

type Deps = Pick<WorkflowsDeps, "database">;
type Paging = { limit: number; cursor?: string | undefined };
type VersionRef = { workflowId: string; version: number };

export const versionUnknown = ({ workflowId, version }: VersionRef): AppError =>
  new AppError("version_unknown", `Workflow ${workflowId} has no version ${version}.`);

export const listWorkflows =
  ({ database }: Deps) =>
  async (tenantId: string, { limit, cursor, name }: Paging & { name?: string | undefined }): Promise<Page<Workflow>> => {
    const [before] = decodeCursor(cursor, [UUID]) ?? [];
    // No stored name contains NUL, and PostgreSQL would refuse to look for it.
    if (name?.includes("\0")) return { items: [], nextCursor: null };
    const rows = await database.asTenant(tenantId, (tx) => selectWorkflows(tx, { name, before, limit: limit + 1 }));
    return toPage(rows, { limit, map: (workflow) => workflow, key: (workflow) => [workflow.id] });
  };

/** With the newest definition. */
export const getWorkflow =
  ({ database }: Deps) =>
  async (tenantId: string, id: string): Promise<WorkflowDetail> =>
    database.asTenant(tenantId, async (tx) => {
      const workflow = await mustFind(tx, id);
      const { definition, source } = await mustFindVersion(tx, { workflowId: id, version: workflow.version });
      return { ...workflow, definition, ...(source !== undefined && { source }) };
    });

export const listVersions =
  ({ database }: Deps) =>
  async (tenantId: string, { id, limit, cursor }: Paging & { id: string }): Promise<Page<WorkflowVersion>> => {
    const [last] = decodeCursor(cursor, [/^[1-9]\d{0,8}$/]) ?? [];
    const rows = await database.asTenant(tenantId, async (tx) => {
      await mustFind(tx, id);
      return selectVersions(tx, { workflowId: id, below: last === undefined ? undefined : Number(last), limit: limit + 1 });
    });
    return toPage(rows, { limit, map: (version) => version, key: ({ version }) => [String(version)] });
  };

export const getVersion =
  ({ database }: Deps) =>
  async (tenantId: string, ref: VersionRef): Promise<StoredVersion> =>
    database.asTenant(tenantId, async (tx) => {
      await mustFind(tx, ref.workflowId);
      return mustFindVersion(tx, ref);
    });

type Asked = { tenantId: string; environment: Environment; definition: Json };

/** Checks what is given, or the newest version, without saving anything. */
export const validateWorkflow =
  (deps: Pick<WorkflowsDeps, "database" | "judgeUses">) =>
  async ({ id, tenantId, definition, environment }: Omit<Asked, "definition"> & { id: string; definition?: Json }): Promise<Validation> => {
    const found = await deps.database.asTenant(tenantId, async (tx) => {
      const { name, version } = await mustFind(tx, id);
      if (definition !== undefined) return { name, definition };
      const stored = await mustFindVersion(tx, { workflowId: id, version });
      return { name, definition: copyJson(stored.source ?? stored.definition) };
    });
    return validation(deps)({ tenantId, environment, ...found });
  };

/** With what would keep its steps from calling their tools in this environment. */
export const validation =
  ({ judgeUses }: Pick<WorkflowsDeps, "judgeUses">) =>
  async ({ definition, name, ...where }: Asked & { name?: string }): Promise<Validation> => {
    const checked = checkDefinition(definition, name);
    if (!checked.valid) return { valid: false, issues: checked.issues };
    const warnings = [...checked.warnings, ...(await toolWarnings(judgeUses, where, checked.definition))];
    return { valid: true, issues: [], ...(warnings.length > 0 && { warnings }) };
  };

async function mustFind(tx: Tx, id: string): Promise<Workflow> {
  const workflow = await findWorkflow(tx, id);
  if (!workflow) throw workflowNotFound(id);
  return workflow;
}

async function mustFindVersion(tx: Tx, ref: VersionRef): Promise<StoredVersion> {
  const stored = await findVersion(tx, ref);
  if (!stored) throw versionUnknown(ref);
  return stored;
}
