import { Json } from "#contract/common.ts";
import type { Run } from "#contract/runs.ts";
import { AppError } from "../kernel/errors.ts";
import type { UseCaseDeps } from "./deps.ts";
import { checkEditor } from "./editor-options.ts";
import { idempotencyOf, type KeyUses } from "./idempotent.ts";
import type { InputCheck } from "./input-check.ts";
import type { PlanSource, RunsObserver } from "./ports.ts";
import { orderFor, startedRun } from "./run-order.ts";
import type { StartOrder, StartResult } from "./start-batches.ts";
import type { StartRequest } from "./start-request.ts";

type Deps = UseCaseDeps & {
  hookUrlOf: (runId: string) => string;
  plans: PlanSource;
  observer: RunsObserver;
  keyUses: KeyUses;
  checkInput: InputCheck;
  start: (order: StartOrder) => Promise<StartResult>;
};

/** Starts a run and answers as soon as it is durable, with its audit line and first event. */
export const startRun =
  (deps: Deps) =>
  async (request: StartRequest): Promise<Run> => {
    const { tenantId, workflowId, version } = request;
    const idempotency = idempotencyOf(request, asked(request));
    const earlier = await deps.keyUses.find(tenantId, idempotency);
    if (earlier) return earlier;
    const found = await deps.plans.loadForStart({ tenantId, workflowId, version });
    if (!found) throw new AppError("not_found", `There is no workflow ${workflowId}.`);
    checkTags(request.tags ?? []);
    checkEditor(found.plan, request);
    deps.checkInput(found, request.input);
    await deps.codec.prepare(tenantId);
    const order = orderFor(deps, { request, found, idempotency });
    const result = await deps.start(order);
    if (result.kind === "failed") throw result.error;
    if (result.kind === "key_taken") return deps.keyUses.taken(tenantId, idempotency);
    deps.observer.onRunStarted?.({ workflowId });
    return startedRun(order, result);
  };

function asked({ workflowId, version, input, tags, parentRunId, mode, editor }: StartRequest): { [part: string]: Json } {
  const request = { workflowId, version: version ?? null, input, tags: [...(tags ?? [])], parentRunId: parentRunId ?? null };
  return mode === undefined ? request : { ...request, mode, editor: Json.parse(editor ?? null) };
}

/** PostgreSQL cannot store NUL in text. Lone surrogates are replaced when the tags are stored. */
function checkTags(tags: readonly string[]): void {
  const issues = tags.flatMap((tag, i) => (tag.includes("\0") ? [{ path: `tags[${i}]`, message: "must not contain NUL" }] : []));
  if (issues.length > 0) throw new AppError("request_invalid", "A tag contains NUL.", { issues });
}
