import * as contract from "#contract/trigger-routes.ts";
import { handle, type Handled } from "#server/kernel/handle.ts";
import type { Caller } from "#server/kernel/caller.ts";
import * as listeners from "./listeners.ts";
import type { TriggersDeps } from "./ports.ts";
import { receive } from "./receive.ts";
import * as schedules from "./schedules.ts";
import * as webhooks from "./webhooks.ts";

const by = ({ tenantId, ref }: Caller): { tenantId: string; actor: string } => ({ tenantId, actor: ref });

export const triggerRoutes = (deps: TriggersDeps): Handled[] => [...scheduleRoutes(deps), ...webhookRoutes(deps), ...listenerRoutes(deps)];

function scheduleRoutes(deps: TriggersDeps): Handled[] {
  const create = schedules.createSchedule(deps);
  const patch = schedules.patchSchedule(deps);
  const remove = schedules.deleteSchedule(deps);
  const fire = schedules.fireByHand(deps);
  const list = schedules.listSchedules(deps);
  const get = schedules.getSchedule(deps);
  const slots = schedules.listSlots(deps);
  return [
    handle(contract.listSchedules, ({ query, caller }) => list(caller.tenantId, query)),
    handle(contract.createSchedule, ({ body, caller }) => create(by(caller), body)),
    handle(contract.previewSchedule, ({ body }) => schedules.previewSchedule(body, deps.now())),
    handle(contract.getSchedule, ({ params, caller }) => get(caller.tenantId, params.id)),
    handle(contract.patchSchedule, ({ params, body, caller }) => patch({ ...by(caller), id: params.id }, body)),
    handle(contract.deleteSchedule, async ({ params, caller }) => {
      await remove({ ...by(caller), id: params.id });
      return undefined;
    }),
    handle(contract.fireSchedule, ({ params, caller }) => fire({ ...by(caller), id: params.id })),
    handle(contract.listSlots, ({ params, query, caller }) => slots(caller.tenantId, { ...query, id: params.id })),
  ];
}

function webhookRoutes(deps: TriggersDeps): Handled[] {
  const create = webhooks.createWebhook(deps);
  const rotate = webhooks.rotateWebhook(deps);
  const remove = webhooks.deleteWebhook(deps);
  const list = webhooks.listWebhooks(deps);
  const get = webhooks.getWebhook(deps);
  const call = receive(deps);
  return [
    handle(contract.listWebhooks, ({ query, caller }) => list(caller.tenantId, query)),
    handle(contract.createWebhook, ({ body, caller }) => create(by(caller), body)),
    handle(contract.getWebhook, ({ params, caller }) => get(caller.tenantId, params.id)),
    handle(contract.deleteWebhook, async ({ params, caller }) => {
      await remove({ ...by(caller), id: params.id });
      return undefined;
    }),
    handle(contract.rotateWebhook, ({ params, body, caller }) => rotate({ ...by(caller), id: params.id }, body?.secret)),
    handle(contract.callHook, ({ params, headers, query, body = null, rawBody = new Uint8Array() }) =>
      call({ hook: params.hook, headers, query, body, rawBody }),
    ),
  ];
}

function listenerRoutes(deps: TriggersDeps): Handled[] {
  const create = listeners.createRunListener(deps);
  const remove = listeners.deleteRunListener(deps);
  const list = listeners.listRunListeners(deps);
  const get = listeners.getRunListener(deps);
  const deliveries = listeners.listDeliveries(deps);
  return [
    handle(contract.listRunListeners, ({ query, caller }) => list(caller.tenantId, query)),
    handle(contract.createRunListener, ({ body, caller }) =>
      create({ ...by(caller), approvesAddress: deps.ownerApproves && caller.role === "owner" }, body),
    ),
    handle(contract.getRunListener, ({ params, caller }) => get(caller.tenantId, params.id)),
    handle(contract.deleteRunListener, async ({ params, caller }) => {
      await remove({ ...by(caller), id: params.id });
      return undefined;
    }),
    handle(contract.listListenerDeliveries, ({ params, query, caller }) => deliveries(caller.tenantId, { ...query, id: params.id })),
  ];
}
