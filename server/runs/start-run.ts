import { Json } from "#contract/common.ts";
import type { Run } from "#contract/runs.ts";
import { AppError } from "../kernel/errors.ts";
import type { UseCaseDeps } from "./deps.ts";
import { checkEditor } from "./editor-options.ts";
import { idempotencyOf, type KeyUses } from "./idempotent.ts";
import type { InputCheck } from "./input-check.ts";
import type { PlanSource, RunsObserver, StartableVersion } from "./ports.ts";
import { orderFor, startedRun } from "./run-order.ts";
import type { StartOrder, StartResult } from "./start-batches.ts";
import type { StartRequest } from "./start-request.ts";
import type { Idempotency } from "./store/insert-runs.pg.ts";

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
    const { tenantId, workflowId } = request;
    const idempotency = idempotencyOf(request, asked(request));
    const earlier = await deps.keyUses.find(tenantId, idempotency);
    if (earlier) return earlier;
    checkTags(request.tags ?? []);
    const { order, result } = await startOrdered(deps, { request, idempotency, mayBeRemembered: true });
    if (result.kind === "failed") throw result.error;
    if (result.kind === "key_taken") return deps.keyUses.taken(tenantId, idempotency);
    deps.observer.onRunStarted?.({ workflowId });
    return startedRun(order, result);
  };

type Attempt = { request: StartRequest; idempotency: Idempotency | null; mayBeRemembered: boolean };
type Started = { order: StartOrder; result: Exclude<StartResult, { kind: "outdated" }> };

/** What this process remembers of the workflow is enough, unless it turns out with the start that it is not so any more. */
async function startOrdered(deps: Deps, { request, idempotency, mayBeRemembered }: Attempt): Promise<Started> {
  const found = await findChecked(deps, request, mayBeRemembered);
  await deps.codec.prepare(request.tenantId);
  const order = orderFor(deps, { request, found, idempotency });
  const result = await deps.start(order);
  if (result.kind !== "outdated") return { order, result };
  return startOrdered(deps, { request, idempotency, mayBeRemembered: false });
}

/** The version to start, after it has taken the request. What is refused by a remembered version may be fine with today's. */
async function findChecked(deps: Deps, request: StartRequest, mayBeRemembered: boolean): Promise<StartableVersion> {
  const { tenantId, workflowId, version } = request;
  const found = await deps.plans.loadForStart({ tenantId, workflowId, version, mayBeRemembered });
  if (!found) throw new AppError("not_found", `There is no workflow ${workflowId}.`);
  try {
    checkEditor(found.plan, request);
    deps.checkInput(found, request.input);
    return found;
  } catch (error) {
    if (found.isRemembered) return findChecked(deps, request, false);
    throw error;
  }
}

function asked({ workflowId, version, input, tags, parentRunId, mode, editor }: StartRequest): { [part: string]: Json } {
  const request = { workflowId, version: version ?? null, input, tags: [...(tags ?? [])], parentRunId: parentRunId ?? null };
  return mode === undefined ? request : { ...request, mode, editor: Json.parse(editor ?? null) };
}

/** PostgreSQL cannot store NUL in text. Lone surrogates are replaced when the tags are stored. */
function checkTags(tags: readonly string[]): void {
  const issues = tags.flatMap((tag, i) => (tag.includes("\0") ? [{ path: `tags[${i}]`, message: "must not contain NUL" }] : []));
  if (issues.length > 0) throw new AppError("request_invalid", "A tag contains NUL.", { issues });
}
