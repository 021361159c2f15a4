import type { Json } from "#contract/common.ts";
import type { EditorOptions, EventBody, ParentStep } from "#contract/journal.ts";
import type { Run } from "#contract/runs.ts";
import { compileJsonSchema, type Check } from "../kernel/json-schema.ts";
import { contentHash } from "../kernel/content-hash.ts";
import { gatherByTenant } from "../kernel/gather.ts";
import { AppError } from "../kernel/errors.ts";
import { journalRowName, runRowName } from "./driver/row-names.ts";
import type { UseCaseDeps } from "./deps.ts";
import type { PlanSource, RunsObserver, StartableVersion } from "./ports.ts";
import { readRun } from "./read-run.ts";
import type { StartOrder, StartResult } from "./start-batches.ts";
import { findKeyUses, type Idempotency, type KeyName, type KeyUse } from "./store/insert-runs.pg.ts";

export type StartRequest = {
  tenantId: string;
  /** Who starts it: `user:<id>`, or what stands for the platform itself. */
  initiator: string;
  workflowId: string;
  /** The newest unless named. */
  version?: number | undefined;
  input: Json;
  tags?: readonly string[] | undefined;
  parentRunId?: string | undefined;
  /** The step that waits for the end of this run. */
  parentStep?: ParentStep | undefined;
  /** How many runs are above it. */
  depth?: number | undefined;
  mode?: RunMode | undefined;
  /** Only with `mode: editor`. */
  editor?: EditorOptions | undefined;
  /** Repeating the same request with the same key answers with the same run. Keys belong to the initiator. */
  idempotencyKey?: string | undefined;
};

export type RunMode = "production" | "editor";

type Ports = UseCaseDeps & {
  /** Where a run's hooks are called; the engine adds a dot and the node's id. */
  hookUrlOf: (runId: string) => string;
  plans: PlanSource;
  observer: RunsObserver;
  start: (order: StartOrder) => Promise<StartResult>;
};

type Deps = Ports & { keyUse: (tenantId: string, key: KeyName) => Promise<KeyUse | null> };

const KEYS_AT_ONCE = 500;

/** Starts a run and answers as soon as it is durable, with its audit line and first event. */
export const startRun = (ports: Ports) => {
  const keyUse = gatherByTenant<KeyName, KeyUse | null>((tenantId, keys) => findKeyUses(ports.database, tenantId, keys), KEYS_AT_ONCE);
  const deps = { ...ports, keyUse };
  const checks = new WeakMap<object, Check>();
  return async (request: StartRequest): Promise<Run> => {
    const idempotency = idempotencyOf(request);
    const earlier = idempotency && (await findEarlier(deps, request.tenantId, idempotency));
    if (earlier) return earlier;
    const { tenantId, workflowId, version } = request;
    const found = await deps.plans.loadForStart({ tenantId, workflowId, version });
    if (!found) throw new AppError("not_found", `There is no workflow ${workflowId}.`);
    checkTags(request.tags ?? []);
    checkInput(checks, found, request.input);
    await deps.codec.prepare(tenantId);
    const order = orderFor(deps, { request, found, idempotency });
    const result = await deps.start(order);
    if (result.kind === "failed") throw result.error;
    if (result.kind === "key_taken") return keyTaken(deps, tenantId, idempotency);
    deps.observer.onRunStarted?.({ workflowId });
    return startedRun(order, result);
  };
};

function idempotencyOf({ initiator, idempotencyKey, workflowId, version, input, tags, parentRunId }: StartRequest): Idempotency | null {
  if (idempotencyKey === undefined) return null;
  const requestHash = contentHash({ workflowId, version: version ?? null, input, tags: tags ?? [], parentRunId: parentRunId ?? null });
  return { caller: initiator, key: idempotencyKey, requestHash };
}

async function findEarlier(deps: Deps, tenantId: string, { caller, key, requestHash }: Idempotency): Promise<Run | undefined> {
  const use = await deps.keyUse(tenantId, { caller, key });
  if (!use) return undefined;
  if (!use.requestHash.equals(requestHash)) {
    throw new AppError("idempotency_conflict", "This Idempotency-Key was used for a different request.");
  }
  await deps.codec.prepare(tenantId);
  return deps.database.asTenant(tenantId, (tx) => readRun(tx, deps.codec, use.runId));
}

async function keyTaken(deps: Deps, tenantId: string, idempotency: Idempotency | null): Promise<Run> {
  const run = idempotency && (await findEarlier(deps, tenantId, idempotency));
  if (!run) throw new AppError("conflict", "The same request is being made at the same time.", { retryable: true });
  return run;
}

/** PostgreSQL cannot store NUL in text. Lone surrogates are replaced when the tags are stored. */
function checkTags(tags: readonly string[]): void {
  const issues = tags.flatMap((tag, i) => (tag.includes("\0") ? [{ path: `tags[${i}]`, message: "must not contain NUL" }] : []));
  if (issues.length > 0) throw new AppError("request_invalid", "A tag contains NUL.", { issues });
}

function checkInput(checks: WeakMap<object, Check>, { plan, workflowName }: StartableVersion, input: Json): void {
  const schema = plan.definition.input;
  if (!schema) return;
  const check = checks.get(schema) ?? compileJsonSchema(schema);
  checks.set(schema, check);
  const issues = check(input);
  if (issues.length > 0) throw new AppError("input_invalid", `The input does not fit the input schema of "${workflowName}".`, { issues });
}

type Checked = { request: StartRequest; found: StartableVersion; idempotency: Idempotency | null };

function orderFor({ newId, redactor, codec, hookUrlOf }: Deps, { request, found, idempotency }: Checked): StartOrder {
  const { tenantId, initiator, parentRunId, parentStep, depth, mode = "production", editor, tags = [] } = request;
  const { workflowId, workflowName, version, plan } = found;
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

function startedRun({ run, created }: StartOrder, { at, isClaimed }: Extract<StartResult, { kind: "started" }>): Run {
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
