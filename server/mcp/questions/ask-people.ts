import type { ElicitRequestParams, ElicitResult } from "@modelcontextprotocol/client";
import { LIMITS } from "#contract/limits.ts";
import { QuestionAnswer } from "#contract/mcp/questions.ts";
import { createBell } from "#server/kernel/bell.ts";
import { contentHash } from "#server/kernel/content-hash.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Database, LiveBus, Redactor, StepRef, Tx, ValueCodec } from "#server/kernel/ports.ts";
import { toJson } from "../connection/json-value.ts";
import type { Ask } from "../connection/open-call.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import {
  askOnce,
  closeQuestion,
  countPending,
  expireQuestions,
  findQuestion,
  forgetQuestions,
  type QuestionRecord,
} from "./questions.pg.ts";
import { questionOf, rowOf } from "./show-question.ts";

export type QuestionDeps = {
  database: Database;
  audit: Audit;
  codec: ValueCodec;
  redactor: Redactor;
  live: LiveBus;
  newId: () => string;
  now: () => Date;
  /** Whether nothing of the run goes on any more; without it, none is known to be over. */
  isRunOver?: ((tenantId: string, runId: string) => Promise<boolean>) | undefined;
};
/** The call in whose name a server asks. `key` is equal over all attempts of its step. */
export type Asking = { server: ServerRecord; tool: string; step: StepRef; key: string; holdTimeout?: (() => () => void) | undefined };
export type AskPeople = (asking: Asking) => Ask;

/** This process hears of answers given here, and with Redis of all; others are looked for. */
const LOOK_EVERY_MS = 1_000;
const KEPT_MS = 30 * 24 * 60 * 60 * 1_000;

/**
 * Lets a server's question wait in the database until a person answers it. The step's time stands still meanwhile. A process that
 * takes the run over asks under the same key, and so finds the question, or its answer, again.
 */
export const createAskPeople =
  (deps: QuestionDeps): AskPeople =>
  (asking) => {
    const asked = new Map<string, number>();
    return async (questions, signal) => {
      const release = asking.holdTimeout?.();
      try {
        const answers = Object.entries(questions).map(async ([name, params]): Promise<[string, ElicitResult]> => {
          const digest = contentHash(toJson(params)).toString("hex");
          const times = asked.get(digest) ?? 0;
          asked.set(digest, times + 1);
          return [name, await askOne(deps, { ...asking, key: `${asking.key}/${digest}/${times}` }, { params, signal })];
        });
        return Object.fromEntries(await Promise.all(answers));
      } finally {
        release?.();
      }
    };
  };

type One = { params: ElicitRequestParams; signal: AbortSignal };

async function askOne(deps: QuestionDeps, asking: Asking, { params, signal }: One): Promise<ElicitResult> {
  const { tenantId } = asking.server;
  await deps.codec.prepare(tenantId);
  const bell = createBell(signal);
  const unsubscribe = deps.live.subscribe(tenantId, (event) => event.type === "mcp_question" && bell.ring());
  try {
    let id = await put(deps, asking, params);
    while (!signal.aborted) {
      const record = await deps.database.asTenant(tenantId, (tx) => findQuestion(tx, id));
      // Whoever held the run before has given it up meanwhile.
      if (record === undefined || record.status === "cancelled") id = await put(deps, asking, params);
      else if (record.status !== "pending") return answerOf(deps.codec, record);
      else if (record.expiresAt <= deps.now()) await close(deps, record, "expired");
      else await bell.rung(LOOK_EVERY_MS);
    }
    const record = await deps.database.asTenant(tenantId, (tx) => findQuestion(tx, id));
    if (record) await close(deps, record, "cancelled");
    throw new AppError("step_cancelled", "The call was given up while somebody was asked.");
  } finally {
    unsubscribe();
  }
}

/** Until somebody looks, a question whose asker has died stays open. */
export async function closeLate({ database, live, now }: QuestionDeps, tenantId: string): Promise<void> {
  const closed = await database.asTenant(tenantId, (tx) => expireQuestions(tx, now()));
  for (const { id, runId } of closed) live.publish(tenantId, { type: "mcp_question", questionId: id, runId, status: "expired" });
}

/** The same of a question whose run is over meanwhile. */
export async function closeIfOver(deps: QuestionDeps, tenantId: string, id: string): Promise<void> {
  const record = await deps.database.asTenant(tenantId, (tx) => findQuestion(tx, id));
  if (record?.status === "pending" && (await deps.isRunOver?.(tenantId, record.runId)) === true) await close(deps, record, "cancelled");
}

async function put(deps: QuestionDeps, { server, tool, step, key }: Asking, params: ElicitRequestParams): Promise<string> {
  const { codec, redactor, now, newId } = deps;
  const { tenantId, id: serverId } = server;
  const id = newId();
  const question = codec.encode(questionOf(params, redactor), { tenantId, row: rowOf(id), confidential: true });
  const askedAt = now();
  const expiresAt = new Date(askedAt.getTime() + LIMITS.mcpQuestionMs);
  await closeLate(deps, tenantId);
  const put = await deps.database.asTenant(tenantId, async (tx) => {
    await forgetQuestions(tx, new Date(askedAt.getTime() - KEPT_MS));
    const asked = await askOnce(tx, { id, tenantId, serverId, tool, step, key, question, askedAt, expiresAt });
    if (!asked.isNew) return asked;
    if ((await countPending(tx, serverId)) > LIMITS.mcpQuestions)
      throw new AppError("rate_limited", `More than ${LIMITS.mcpQuestions} questions of this server wait for an answer.`);
    const details = { server: server.name, tool, runId: step.runId, node: step.nodeId, mode: params.mode ?? "form" };
    await deps.audit.record(tx, {
      tenantId,
      actor: `mcp_server:${serverId}`,
      action: "mcp_question.asked",
      target: `mcp_question:${id}`,
      details: params.mode === "url" ? { ...details, host: new URL(params.url).host } : details,
    });
    return asked;
  });
  if (put.isNew) deps.live.publish(tenantId, { type: "mcp_question", questionId: id, runId: step.runId, status: "pending" });
  return put.id;
}

async function close(deps: QuestionDeps, { id, tenantId, runId }: QuestionRecord, status: "expired" | "cancelled"): Promise<void> {
  const closing = { id, status, answer: null, at: deps.now(), by: "system" };
  const isClosed = await deps.database.asTenant(tenantId, (tx: Tx) => closeQuestion(tx, closing));
  if (isClosed) deps.live.publish(tenantId, { type: "mcp_question", questionId: id, runId, status });
}

function answerOf(codec: ValueCodec, { id, tenantId, answer }: QuestionRecord): ElicitResult {
  if (answer === null) return { action: "cancel" };
  return QuestionAnswer.parse(codec.decode(answer, { tenantId, row: `${rowOf(id)}/answer` }));
}
