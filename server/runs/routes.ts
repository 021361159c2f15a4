import * as contract from "#contract/runs.ts";
import { EventStream, handle, type Handled } from "../kernel/handle.ts";
import { againRoutes, startedBy, type AgainUseCases } from "./again-routes.ts";
import { approvalRoutes, type ApprovalUseCases } from "./approvals/routes.ts";
import type { answerRun, resumeStep } from "./answer-run.ts";
import type { cancelRun, pauseRun, unpauseRun } from "./control-run.ts";
import type { followRun } from "./follow-run.ts";
import type { getContext, getRun, listRuns, readJournal } from "./show-runs.ts";
import type { patchContext } from "./patch-context.ts";
import type { callHook, signalRun } from "./signal-run.ts";
import type { startRun } from "./start-run.ts";
import { versionRoutes, type VersionUseCases } from "./versions/routes.ts";

export type UseCases = AgainUseCases & {
  start: ReturnType<typeof startRun>;
  approvals: ApprovalUseCases;
  versions: VersionUseCases;
  cancel: ReturnType<typeof cancelRun>;
  pause: ReturnType<typeof pauseRun>;
  unpause: ReturnType<typeof unpauseRun>;
  answer: ReturnType<typeof answerRun>;
  resumeStep: ReturnType<typeof resumeStep>;
  signal: ReturnType<typeof signalRun>;
  callHook: ReturnType<typeof callHook>;
  get: ReturnType<typeof getRun>;
  list: ReturnType<typeof listRuns>;
  journal: ReturnType<typeof readJournal>;
  follow: ReturnType<typeof followRun>;
  context: ReturnType<typeof getContext>;
  patchContext: ReturnType<typeof patchContext>;
};

export const runRoutes = (runs: UseCases): Handled[] => [
  ...approvalRoutes(runs.approvals),
  ...versionRoutes(runs.versions),
  handle(contract.startRun, ({ params, headers, body: { pins, breakpoints, only, ...body }, caller }) => {
    const editor = { ...(pins && { pins }), ...(breakpoints && { breakpoints }), ...(only !== undefined && { only }) };
    return runs.start({
      ...body,
      ...(Object.keys(editor).length > 0 && { editor }),
      ...startedBy(caller),
      workflowId: params.id,
      idempotencyKey: headers["idempotency-key"],
    });
  }),
  handle(contract.listRuns, ({ query, caller }) => runs.list(caller.tenantId, query)),
  handle(contract.getRun, ({ params, caller }) => runs.get(caller.tenantId, params.id)),
  handle(contract.getRunJournal, ({ params, query, caller }) => runs.journal(caller.tenantId, { runId: params.id, ...query })),
  handle(contract.streamRunEvents, async ({ params, query, headers, caller, signal }) => {
    const after = Number(headers["last-event-id"] ?? query.after ?? 0);
    return new EventStream(await runs.follow({ tenantId: caller.tenantId, runId: params.id, after, signal }));
  }),
  handle(contract.cancelRun, ({ params, body, caller }) =>
    runs.cancel({ tenantId: caller.tenantId, actor: caller.ref, runId: params.id, ...body }),
  ),
  handle(contract.pauseRun, ({ params, body, caller }) =>
    runs.pause({ tenantId: caller.tenantId, actor: caller.ref, runId: params.id, ...body }),
  ),
  handle(contract.signalRun, ({ params, body, caller }) =>
    runs.signal({ tenantId: caller.tenantId, actor: caller.ref, runId: params.id, name: params.signal, payload: body?.payload ?? null }),
  ),
  handle(contract.resumeRun, ({ params, body, caller }) => {
    const speaker = { tenantId: caller.tenantId, actor: caller.ref, runId: params.id };
    return body?.answer === undefined ? runs.unpause(speaker) : runs.answer({ ...body, answer: body.answer, ...speaker });
  }),
  handle(contract.getRunContext, ({ params, caller }) => runs.context(caller.tenantId, params.id)),
  handle(contract.patchRunContext, ({ params, body, caller }) =>
    runs.patchContext({ ...body, tenantId: caller.tenantId, actor: caller.ref, runId: params.id }),
  ),
  ...againRoutes(runs),
];
