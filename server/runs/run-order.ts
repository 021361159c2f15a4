import type { Json } from "#contract/common.ts";
import type { EventBody } from "#contract/journal.ts";
import type { Run } from "#contract/runs.ts";
import type { UseCaseDeps } from "./deps.ts";
import { journalRowName, runRowName } from "./driver/row-names.ts";
import type { StartableVersion } from "./ports.ts";
import type { StartOrder, StartResult } from "./start-batches.ts";
import type { StartRequest } from "./start-request.ts";
import type { Idempotency } from "./store/insert-runs.pg.ts";

type Ports = Pick<UseCaseDeps, "newId" | "redactor" | "codec"> & {
  /** Where a run's hooks are called; the engine adds a dot and the node's id. */
  hookUrlOf: (runId: string) => string;
};

type Checked = {
  request: StartRequest;
  found: StartableVersion;
  idempotency: Idempotency | null;
  /** More that the first event says. */
  created?: Partial<EventBody<"run_created">>;
};

/** The run as it will be stored. The codec must be prepared for the tenant. */
export function orderFor(
  { newId, redactor, codec, hookUrlOf }: Ports,
  { request, found, idempotency, created: more }: Checked,
): StartOrder {
  const { tenantId, initiator, parentRunId, parentStep, depth, mode = "production", editor, tags = [] } = request;
  const { workflowId, workflowName, version, newest, isRemembered, plan } = found;
  const id = newId();
  const input = redactor.json(request.input);
  const isConfidential = plan.definition.classification === "confidential";
  const created: EventBody<"run_created"> = {
    workflowId,
    version,
    input,
    initiator,
    ...(parentRunId !== undefined && { parentRunId }),
    ...(parentStep && { parentStep }),
    ...(depth !== undefined && { depth }),
    ...(plan.hookIds.length > 0 && { hookUrl: hookUrlOf(id) }),
    ...(editor && { editor: redactor.json(editor) }),
    ...more,
  };
  const seal = (row: string, value: Json): Buffer => codec.encode(value, { tenantId, row, confidential: isConfidential });
  return {
    run: {
      id,
      tenantId,
      workflowId,
      workflowName,
      version,
      isConfidential,
      environment: "production",
      input: seal(runRowName(id, "input"), input),
      initiator,
      tags: tags.map((tag) => tag.toWellFormed()),
      parentRunId: parentRunId ?? null,
      parentStep: parentStep ?? null,
      mode,
      created: seal(journalRowName(id, 1), { ...created }),
      idempotency,
    },
    plan,
    believed: isRemembered ? { id: workflowId, name: workflowName, version: newest } : null,
    created,
    audit: {
      tenantId,
      actor: initiator,
      action: "run.started",
      target: `run:${id}`,
      details: { workflowId, version, ...(parentRunId !== undefined && { parentRunId }) },
    },
  };
}

/** What a caller is told of a run that has just been stored. */
export function startedRun({ run, created }: StartOrder, { at, isClaimed }: Extract<StartResult, { kind: "started" }>): Run {
  const time = at.toISOString();
  return {
    id: run.id,
    workflowId: run.workflowId,
    workflowName: run.workflowName,
    version: run.version,
    status: isClaimed ? "running" : "queued",
    parentRunId: run.parentRunId,
    mode: run.mode,
    tags: [...run.tags],
    createdAt: time,
    startedAt: isClaimed ? time : null,
    finishedAt: null,
    seq: isClaimed ? 2 : 1,
    input: created.input,
    output: null,
    error: null,
    questions: [],
  };
}
