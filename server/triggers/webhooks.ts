import type { Page, PageQuery } from "#contract/common.ts";
import type { CreateWebhook, Webhook, WebhookWithSecret } from "#contract/triggers.ts";
import { AppError } from "#server/kernel/errors.ts";
import { decodeCursor, toPage, UUID } from "#server/kernel/paging.ts";
import type { TriggersDeps } from "./ports.ts";
import { sealSecret, secretRowName } from "./secret.ts";
import { newSecret } from "./signature.ts";
import { requireStartable } from "./target.ts";
import * as store from "./webhooks.pg.ts";
import type { WebhookRecord } from "./webhooks.pg.ts";

type Deps = Pick<TriggersDeps, "database" | "audit" | "codec" | "redactor" | "newId" | "workflows">;
type Author = { tenantId: string; actor: string };
type Named = Author & { id: string };

const webhookNotFound = (id: string): AppError => new AppError("not_found", `There is no webhook ${id}.`);

export const createWebhook =
  (deps: Deps) =>
  async ({ tenantId, actor }: Author, webhook: CreateWebhook): Promise<WebhookWithSecret> => {
    await requireStartable(deps.workflows, { tenantId, ...webhook });
    const id = deps.newId();
    const secret = webhook.secret ?? newSecret();
    const sealed = await sealSecret(deps, secret, { tenantId, row: secretRowName("webhooks", id) });
    const { workflowId, version = null, verification, headers } = webhook;
    return deps.database.asTenant(tenantId, async (tx) => {
      const row = await store.insertWebhook(tx, {
        id,
        tenantId,
        workflowId,
        version,
        verification,
        headers,
        secret: sealed,
        createdBy: actor,
      });
      const details = { workflowId, verification: verification.kind };
      await deps.audit.record(tx, { tenantId, actor, action: "webhook.created", target: `webhook:${id}`, details });
      return { ...toWebhook(must(row, id)), secret };
    });
  };

export const rotateWebhook =
  (deps: Deps) =>
  async ({ tenantId, actor, id }: Named, given: string | undefined): Promise<WebhookWithSecret> => {
    const secret = given ?? newSecret();
    const sealed = await sealSecret(deps, secret, { tenantId, row: secretRowName("webhooks", id) });
    return deps.database.asTenant(tenantId, async (tx) => {
      const row = must(await store.replaceSecret(tx, id, sealed), id);
      await deps.audit.record(tx, { tenantId, actor, action: "webhook.rotated", target: `webhook:${id}` });
      return { ...toWebhook(row), secret };
    });
  };

export const deleteWebhook =
  ({ database, audit }: Deps) =>
  async ({ tenantId, actor, id }: Named): Promise<void> =>
    database.asTenant(tenantId, async (tx) => {
      if (!(await store.removeWebhook(tx, id))) throw webhookNotFound(id);
      await audit.record(tx, { tenantId, actor, action: "webhook.deleted", target: `webhook:${id}` });
    });

export const getWebhook =
  ({ database }: Deps) =>
  async (tenantId: string, id: string): Promise<Webhook> =>
    toWebhook(must(await database.asTenant(tenantId, (tx) => store.findWebhook(tx, id)), id));

export const listWebhooks =
  ({ database }: Deps) =>
  async (tenantId: string, { limit, cursor, workflowId }: PageQuery & { workflowId?: string | undefined }): Promise<Page<Webhook>> => {
    const [before] = decodeCursor(cursor, [UUID]) ?? [];
    const rows = await database.asTenant(tenantId, (tx) => store.selectWebhooks(tx, { before, workflowId, limit: limit + 1 }));
    return toPage(rows, { limit, map: toWebhook, key: ({ id }) => [id] });
  };

function must(row: WebhookRecord | undefined, id: string): WebhookRecord {
  if (!row) throw webhookNotFound(id);
  return row;
}

const toWebhook = ({ tenantId: _tenant, secret: _secret, ...row }: WebhookRecord): Webhook => ({
  ...row,
  path: `/hooks/${row.id}`,
  createdAt: row.createdAt.toISOString(),
  rotatedAt: row.rotatedAt?.toISOString() ?? null,
});
