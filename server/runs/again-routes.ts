import * as again from "#contract/run-again.ts";
import type { Caller } from "../kernel/caller.ts";
import { handle, type Handled } from "../kernel/handle.ts";
import type { cancelRuns, retryRuns } from "./bulk-runs.ts";
import type { forkRun, retryRun } from "./fork-run.ts";
import type { requeueRun } from "./requeue-run.ts";
import type { awaitRun, awaitRuns } from "./wait-for-runs.ts";

export type AgainUseCases = {
  retry: ReturnType<typeof retryRun>;
  fork: ReturnType<typeof forkRun>;
  requeue: ReturnType<typeof requeueRun>;
  awaitOne: ReturnType<typeof awaitRun>;
  awaitAll: ReturnType<typeof awaitRuns>;
  cancelAll: ReturnType<typeof cancelRuns>;
  retryAll: ReturnType<typeof retryRuns>;
};

export const startedBy = ({ tenantId, ref: initiator }: Caller) => ({ tenantId, initiator });
const saidBy = ({ tenantId, ref: actor }: Caller) => ({ tenantId, actor });

export const againRoutes = (runs: AgainUseCases): Handled[] => [
  handle(again.retryRun, ({ params, headers, body, caller }) =>
    runs.retry({ ...body, ...startedBy(caller), runId: params.id, idempotencyKey: headers["idempotency-key"] }),
  ),
  handle(again.forkRun, ({ params, headers, body, caller }) =>
    runs.fork({ ...body, ...startedBy(caller), runId: params.id, idempotencyKey: headers["idempotency-key"] }),
  ),
  handle(again.requeueRun, ({ params, caller }) => runs.requeue({ ...saidBy(caller), runId: params.id })),
  handle(again.awaitRun, ({ params, query, caller: { tenantId }, signal }) =>
    runs.awaitOne({ ...query, tenantId, runId: params.id, signal }),
  ),
  handle(again.awaitRuns, ({ body, caller: { tenantId }, signal }) => runs.awaitAll({ ...body, tenantId, signal })),
  handle(again.cancelRuns, ({ body, caller }) => runs.cancelAll({ ...body, ...saidBy(caller) })),
  handle(again.retryRuns, ({ body, caller }) => runs.retryAll({ ...body, ...startedBy(caller) })),
];
