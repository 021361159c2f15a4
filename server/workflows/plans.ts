import { LRUCache } from "lru-cache";
import { compile, type Plan } from "#engine/index.ts";
import { AppError } from "../kernel/errors.ts";
import { gatherByTenant } from "../kernel/gather.ts";
import { UUID } from "../kernel/paging.ts";
import type { Database, Tx } from "../kernel/ports.ts";
import { versionUnknown } from "./show-workflows.ts";
import { findNames, findVersion, findWorkflowByName, type NameAndVersion } from "./store.pg.ts";

/** `isRemembered`: name and newest version as this process last heard, which may be some time ago. */
export type Startable = { workflowId: string; workflowName: string; version: number; newest: number; isRemembered: boolean; plan: Plan };
type StartRef = { tenantId: string; workflowId: string; version?: number | undefined; mayBeRemembered?: boolean };
export type Plans = {
  /**
   * What a new run needs: the newest version unless one is named. Undefined when there is no such workflow. With `mayBeRemembered`
   * the caller finds out itself whether name and newest version are still the same.
   */
  loadForStart(ref: StartRef): Promise<Startable | undefined>;
  /** The same by id or by name. */
  findForStart(ref: { tenantId: string; workflow: string; version?: number | undefined }): Promise<Startable | undefined>;
  /** For a run that exists already, also when its workflow has been deleted. */
  loadPlan(ref: { tenantId: string; workflowId: string; version: number }): Promise<Plan>;
};

const PLANS_KEPT = 500;
const NAMES_KEPT = 1_000;

/** Versions never change, so each is compiled once and kept. Whether a workflow still exists is asked at every start, here or by the caller. */
export function createPlans(database: Database): Plans {
  const compiled = new LRUCache<string, Promise<Plan>>({ max: PLANS_KEPT });
  const planOf = (
    ref: { workflowId: string; version: number },
    inTransaction: <T>(fn: (tx: Tx) => Promise<T>) => Promise<T>,
  ): Promise<Plan> => {
    const key = `${ref.workflowId}/${ref.version}`;
    const known = compiled.get(key);
    if (known) return known;
    const loading = inTransaction((tx) => findVersion(tx, ref)).then((stored) => {
      if (!stored) throw versionUnknown(ref);
      return compile(stored.definition);
    });
    compiled.set(key, loading);
    loading.catch(() => compiled.delete(key));
    return loading;
  };
  const nameOf = createNames(database);
  const heard = new LRUCache<string, NameAndVersion>({ max: NAMES_KEPT });
  const ask = async (tenantId: string, workflowId: string): Promise<NameAndVersion | undefined> => {
    const found = await nameOf(tenantId, workflowId);
    if (found === "absent") heard.delete(`${tenantId}/${workflowId}`);
    else heard.set(`${tenantId}/${workflowId}`, found);
    return found === "absent" ? undefined : found;
  };
  const loadForStart: Plans["loadForStart"] = async ({ tenantId, workflowId, version, mayBeRemembered = false }) => {
    const known = mayBeRemembered ? heard.get(`${tenantId}/${workflowId}`) : undefined;
    const remembered = known && known.version >= (version ?? 0) ? known : undefined;
    const found = remembered ?? (await ask(tenantId, workflowId));
    if (!found) return undefined;
    const wanted = { workflowId, version: version ?? found.version };
    if (wanted.version > found.version) throw versionUnknown(wanted);
    const plan = await planOf(wanted, (fn) => database.asTenant(tenantId, fn));
    return { ...wanted, workflowName: found.name, newest: found.version, isRemembered: remembered !== undefined, plan };
  };
  return {
    loadForStart,
    findForStart: async ({ tenantId, workflow, version }) => {
      const workflowId = UUID.test(workflow) ? workflow : (await database.asTenant(tenantId, (tx) => findWorkflowByName(tx, workflow)))?.id;
      return workflowId === undefined ? undefined : loadForStart({ tenantId, workflowId, version });
    },
    loadPlan: async (ref) => {
      try {
        return await planOf(ref, (fn) => database.asWorker(fn));
      } catch (error) {
        throw new AppError("internal", `The definition of workflow ${ref.workflowId}, version ${ref.version}, cannot be loaded.`, {
          cause: error,
        });
      }
    },
  };
}

const NAMES_AT_ONCE = 500;

/** Starts that come together ask together: one look per tenant at a time, for all workflows that are wanted by then. */
function createNames(database: Database): (tenantId: string, workflowId: string) => Promise<NameAndVersion | "absent"> {
  return gatherByTenant<string, NameAndVersion | "absent">(async (tenantId, ids) => {
    const rows = await findNames(database, tenantId, [...new Set(ids)]);
    const found = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => found.get(id) ?? "absent");
  }, NAMES_AT_ONCE);
}
