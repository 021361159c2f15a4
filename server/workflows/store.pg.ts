import type { Definition, NodeType } from "#contract/definition.ts";
import type { Workflow, WorkflowVersion } from "#contract/workflows.ts";
import { AppError } from "../kernel/errors.ts";
import { isUniqueViolation } from "../kernel/pg-errors.ts";
import { ArrayColumn } from "../kernel/array-column.ts";
import type { Database, Tx } from "../kernel/ports.ts";
import { readStored, type CheckedDefinition, type SourcedDefinition } from "./definition.ts";

type WorkflowRow = {
  id: string;
  name: string;
  version: number;
  description: string;
  node_types: NodeType[];
  created_at: Date;
  updated_at: Date;
};
const COLUMNS = "id, name, version, description, node_types, created_at, updated_at";

const fromRow = (row: WorkflowRow): Workflow => ({
  id: row.id,
  name: row.name,
  version: row.version,
  description: row.description,
  nodeTypes: row.node_types,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

/** Undefined when the tenant has none of this id, or has deleted it. `lock` keeps others from changing it until the transaction ends. */
export async function findWorkflow(tx: Tx, id: string, lock: "lock" | "read" = "read"): Promise<Workflow | undefined> {
  const [row] = await tx.query<WorkflowRow>(
    `select ${COLUMNS} from workflows where id = $1 and deleted_at is null ${lock === "lock" ? "for update" : ""}`,
    [id],
  );
  return row && fromRow(row);
}

export async function findWorkflowByName(tx: Tx, name: string): Promise<Workflow | undefined> {
  const [row] = await tx.query<WorkflowRow>(`select ${COLUMNS} from workflows where lower(name) = lower($1) and deleted_at is null`, [
    name,
  ]);
  return row && fromRow(row);
}

export type NameAndVersion = { id: string; name: string; version: number };
/** Only what a start needs, of many at once. */
export async function findNames(database: Database, tenantId: string, ids: readonly string[]): Promise<NameAndVersion[]> {
  const column = new ArrayColumn("uuid");
  for (const id of ids) column.uuid(id);
  const rows = await database.statement(tenantId, { ...NAMES, values: [column.toBuffer()] });
  return rows.map(([id, name, version]) => ({ id: id ?? "", name: name ?? "", version: Number(version) }));
}
const NAMES = {
  name: "workflow_names",
  text: "select id, name, version from workflows where id = any($1::uuid[]) and deleted_at is null",
};

type Filter = { name?: string | undefined; before?: string | undefined; limit: number };
/** Newest first. */
export async function selectWorkflows(tx: Tx, { name, before, limit }: Filter): Promise<Workflow[]> {
  const rows = await tx.query<WorkflowRow>(
    `select ${COLUMNS} from workflows where deleted_at is null and ($1::text is null or strpos(lower(name), lower($1)) > 0)
       and ($2::uuid is null or id < $2) order by id desc limit $3`,
    [name, before, limit],
  );
  return rows.map(fromRow);
}

type Written = { id: string; tenantId: string; name: string; version: number; checked: CheckedDefinition; actor: string };

/** Fails with `name_taken`. */
export async function insertWorkflow(tx: Tx, { id, tenantId, name, version, checked, actor }: Written): Promise<Workflow> {
  const row = await namedUniquely(name, () =>
    tx.query<WorkflowRow>(
      `insert into workflows (id, tenant_id, name, description, node_types, version) values ($1, $2, $3, $4, $5, $6) returning ${COLUMNS}`,
      [id, tenantId, name, checked.description, checked.nodeTypes, version],
    ),
  );
  await insertVersion(tx, { id, tenantId, name, version, checked, actor });
  return fromRow(row);
}

/** Publishes a version of a workflow that the caller has locked. Fails with `name_taken`. */
export async function publishVersion(tx: Tx, written: Written): Promise<Workflow> {
  const { id, name, version, checked } = written;
  const row = await namedUniquely(name, () =>
    tx.query<WorkflowRow>(
      `update workflows set name = $2, description = $3, node_types = $4, version = $5, updated_at = now() where id = $1 returning ${COLUMNS}`,
      [id, name, checked.description, checked.nodeTypes, version],
    ),
  );
  await insertVersion(tx, written);
  return fromRow(row);
}

/** Fails with `name_taken`. */
export async function renameWorkflow(tx: Tx, id: string, name: string): Promise<Workflow> {
  const row = await namedUniquely(name, () =>
    tx.query<WorkflowRow>(`update workflows set name = $2, updated_at = now() where id = $1 returning ${COLUMNS}`, [id, name]),
  );
  return fromRow(row);
}

async function insertVersion(tx: Tx, { id, tenantId, version, checked, actor }: Written): Promise<void> {
  await tx.query(
    "insert into workflow_versions (workflow_id, version, tenant_id, hash, definition, created_by) values ($1, $2, $3, $4, $5, $6)",
    [id, version, tenantId, checked.hash, checked.text, actor],
  );
}

async function namedUniquely(name: string, write: () => Promise<WorkflowRow[]>): Promise<WorkflowRow> {
  try {
    const [row] = await write();
    if (row) return row;
  } catch (error) {
    if (isUniqueViolation(error, "workflows_name")) throw new AppError("name_taken", `There is a workflow named "${name}" already.`);
    throw error;
  }
  throw new AppError("conflict", `The workflow "${name}" was deleted meanwhile.`);
}

/** False when there was nothing to delete. Runs and versions stay. */
export async function markDeleted(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query(
    "update workflows set deleted_at = now(), updated_at = now() where id = $1 and deleted_at is null returning id",
    [id],
  );
  return rows.length > 0;
}

type VersionRow = { version: number; hash: string; created_at: Date; created_by: string };
export type StoredVersion = WorkflowVersion & SourcedDefinition;

const versionFromRow = (row: VersionRow): WorkflowVersion => ({
  version: row.version,
  hash: row.hash,
  createdAt: row.created_at.toISOString(),
  createdBy: row.created_by,
});

type VersionRef = { workflowId: string; version: number };
export async function findVersion(tx: Tx, { workflowId, version }: VersionRef): Promise<StoredVersion | undefined> {
  const [row] = await tx.query<VersionRow & { definition: string }>(
    "select version, hash, created_at, created_by, definition from workflow_versions where workflow_id = $1 and version = $2",
    [workflowId, version],
  );
  return row && { ...versionFromRow(row), ...readStored(row.definition) };
}

export async function findHash(tx: Tx, { workflowId, version }: VersionRef): Promise<string | undefined> {
  const [row] = await tx.query<{ hash: string }>("select hash from workflow_versions where workflow_id = $1 and version = $2", [
    workflowId,
    version,
  ]);
  return row?.hash;
}

type VersionPage = { workflowId: string; below: number | undefined; limit: number };
/** Newest first. */
export async function selectVersions(tx: Tx, { workflowId, below, limit }: VersionPage): Promise<WorkflowVersion[]> {
  const rows = await tx.query<VersionRow>(
    `select version, hash, created_at, created_by from workflow_versions
     where workflow_id = $1 and ($2::int4 is null or version < $2) order by version desc limit $3`,
    [workflowId, below, limit],
  );
  return rows.map(versionFromRow);
}

type Mentioning = { live: readonly VersionRef[]; words: readonly string[] };
type Mention = { workflowId: string; name: string; version: number; isNewest: boolean; definition: Definition };
/**
 * The versions whose definitions have all these words somewhere: of each workflow the newest, and those named as live, also of deleted
 * workflows. Newest workflow first.
 */
export async function selectMentioning(tx: Tx, { live, words }: Mentioning): Promise<Mention[]> {
  const rows = await tx.query<{ id: string; name: string; version: number; is_newest: boolean; definition: string }>(
    `select w.id, w.name, v.version, v.version = w.version and w.deleted_at is null as is_newest, v.definition
     from workflows w join workflow_versions v on v.workflow_id = w.id
     where ((v.version = w.version and w.deleted_at is null)
         or (v.workflow_id, v.version) in (select * from unnest($1::uuid[], $2::int4[])))
       and (select bool_and(strpos(v.definition, word) > 0) from unnest($3::text[]) as word)
     order by w.id desc, v.version desc`,
    [live.map(({ workflowId }) => workflowId), live.map(({ version }) => version), words],
  );
  return rows.map(({ id: workflowId, name, version, is_newest: isNewest, definition }) => ({
    workflowId,
    name,
    version,
    isNewest,
    definition: readStored(definition).definition,
  }));
}

/** Which of these names stand, as whole words, in any version of a workflow that is not deleted, or in one that is named as live. */
export async function selectNaming(
  tx: Tx,
  { live, names }: { live: readonly { workflowId: string; version: number }[]; names: readonly string[] },
): Promise<string[]> {
  const rows = await tx.query<{ name: string }>(
    `select word as name from unnest($3::text[]) as word
     where exists (
       select from workflows w join workflow_versions v on v.workflow_id = w.id
       where (w.deleted_at is null or (v.workflow_id, v.version) in (select * from unnest($1::uuid[], $2::int4[])))
         and v.definition ~ ('\\m' || word || '\\M'))`,
    [live.map(({ workflowId }) => workflowId), live.map(({ version }) => version), names],
  );
  return rows.map(({ name }) => name);
}
