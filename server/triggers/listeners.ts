import type { Page, PageQuery } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import type { CreateRunListener, ListenerAction, ListenerDelivery, RunListener, RunListenerWithSecret } from "#contract/triggers.ts";
import { AppError } from "#server/kernel/errors.ts";
import { decodeCursor, toPage, UUID } from "#server/kernel/paging.ts";
import * as store from "./listeners.pg.ts";
import type { ListenerRecord } from "./listeners.pg.ts";
import type { TriggersDeps } from "./ports.ts";
import { sealSecret, secretRowName } from "./secret.ts";
import { newSecret } from "./signature.ts";
import { requireStartable } from "./target.ts";

type Deps = Pick<TriggersDeps, "database" | "audit" | "codec" | "redactor" | "egress" | "newId" | "workflows">;
type Author = { tenantId: string; actor: string };

const listenerNotFound = (id: string): AppError => new AppError("not_found", `There is no run listener ${id}.`);

/** `approvesAddress`: the author's word opens the way to the URL, be it loopback or private. */
export const createRunListener =
  (deps: Deps) =>
  async (by: Author & { approvesAddress: boolean }, listener: CreateRunListener): Promise<RunListenerWithSecret> => {
    const { tenantId, actor } = by;
    const { workflowId, on, action } = listener;
    if (workflowId !== null) await requireStartable(deps.workflows, { tenantId, workflowId });
    if (action.kind === "start_workflow") await requireStartable(deps.workflows, { tenantId, ...action });
    const id = deps.newId();
    const secret = action.kind === "webhook" ? (action.secret ?? newSecret()) : null;
    const sealed = secret === null ? null : await sealSecret(deps, secret, { tenantId, row: secretRowName("run_listeners", id) });
    return deps.database.asTenant(tenantId, async (tx) => {
      if ((await store.countListeners(tx, tenantId)) >= LIMITS.runListeners) {
        throw new AppError("conflict", `A workspace may have ${LIMITS.runListeners} run listeners.`, {
          remedy: "Delete one that is not needed.",
        });
      }
      const stored = storedAction(action);
      const row = await store.insertListener(tx, { id, tenantId, workflowId, on, action: stored, secret: sealed, createdBy: actor });
      if (stored.kind === "webhook" && by.approvesAddress)
        await deps.egress.allow(tx, { tenantId, actor, url: stored.url, purpose: "webhook" });
      await deps.audit.record(tx, {
        tenantId,
        actor,
        action: "run_listener.created",
        target: `run_listener:${id}`,
        details: { workflowId, on, action: stored },
      });
      return { ...toListener(must(row, id)), secret };
    });
  };

const storedAction = (action: CreateRunListener["action"]): ListenerAction =>
  action.kind === "webhook"
    ? { kind: "webhook", url: action.url }
    : { kind: "start_workflow", workflowId: action.workflowId, version: action.version ?? null };

export const deleteRunListener =
  ({ database, audit }: Deps) =>
  async ({ tenantId, actor, id }: Author & { id: string }): Promise<void> =>
    database.asTenant(tenantId, async (tx) => {
      if (!(await store.removeListener(tx, id))) throw listenerNotFound(id);
      await audit.record(tx, { tenantId, actor, action: "run_listener.deleted", target: `run_listener:${id}` });
    });

export const getRunListener =
  ({ database }: Deps) =>
  async (tenantId: string, id: string): Promise<RunListener> =>
    toListener(must(await database.asTenant(tenantId, (tx) => store.findListener(tx, id)), id));

export const listRunListeners =
  ({ database }: Deps) =>
  async (tenantId: string, { limit, cursor, workflowId }: PageQuery & { workflowId?: string | undefined }): Promise<Page<RunListener>> => {
    const [before] = decodeCursor(cursor, [UUID]) ?? [];
    const rows = await database.asTenant(tenantId, (tx) => store.selectListeners(tx, { before, workflowId, limit: limit + 1 }));
    return toPage(rows, { limit, map: toListener, key: ({ id }) => [id] });
  };

export const listDeliveries =
  ({ database }: Deps) =>
  async (tenantId: string, { id, limit, cursor }: PageQuery & { id: string }): Promise<Page<ListenerDelivery>> => {
    const [before] = decodeCursor(cursor, [UUID]) ?? [];
    return database.asTenant(tenantId, async (tx) => {
      must(await store.findListener(tx, id), id);
      const rows = await store.selectDeliveries(tx, { listenerId: id, before, limit: limit + 1 });
      return toPage(rows, { limit, map: (row) => row, key: ({ runId }) => [runId] });
    });
  };

function must(row: ListenerRecord | undefined, id: string): ListenerRecord {
  if (!row) throw listenerNotFound(id);
  return row;
}

const toListener = ({ tenantId: _tenant, secret: _secret, ...row }: ListenerRecord): RunListener => ({
  ...row,
  createdAt: row.createdAt.toISOString(),
});
