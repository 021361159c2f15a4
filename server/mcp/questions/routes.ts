import { answerMcpQuestion, getMcpQuestion, listMcpQuestions, type McpQuestion, type QuestionAnswer } from "#contract/mcp/questions.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { handle, type Handled } from "#server/kernel/handle.ts";
import { UUID, decodeCursor, toPage } from "#server/kernel/paging.ts";
import { closeIfOver, closeLate, type QuestionDeps } from "./ask-people.ts";
import { closeQuestion, findQuestion, selectQuestions } from "./questions.pg.ts";
import { checkAnswer, rowOf, viewQuestion } from "./show-question.ts";

const STATUS = { accept: "accepted", decline: "declined", cancel: "declined" } as const;

const notFound = (id: string): AppError => new AppError("not_found", `There is no question ${id}.`);

/** What servers ask, and the answers of people. */
export const questionRoutes = (deps: QuestionDeps): Handled[] => [
  handle(listMcpQuestions, async ({ caller: { tenantId }, query: { cursor, limit, ...filter } }) => {
    const [before] = decodeCursor(cursor, [UUID]) ?? [];
    await Promise.all([deps.codec.prepare(tenantId), closeLate(deps, tenantId)]);
    const records = await deps.database.asTenant(tenantId, (tx) => selectQuestions(tx, { ...filter, before, limit: limit + 1 }));
    return toPage(records, { limit, map: (record) => viewQuestion(deps.codec, record), key: ({ id }) => [id] });
  }),
  handle(getMcpQuestion, async ({ caller: { tenantId }, params: { id } }) => {
    await Promise.all([deps.codec.prepare(tenantId), closeLate(deps, tenantId), closeIfOver(deps, tenantId, id)]);
    const record = await deps.database.asTenant(tenantId, (tx) => findQuestion(tx, id));
    if (!record) throw notFound(id);
    return viewQuestion(deps.codec, record);
  }),
  handle(answerMcpQuestion, ({ caller, params, body }) => answer(deps, caller, { id: params.id, answer: body })),
];

type Given = { id: string; answer: QuestionAnswer };

/** The first answer counts. */
async function answer(deps: QuestionDeps, caller: Caller, { id, answer: given }: Given): Promise<McpQuestion> {
  const { database, audit, codec, live, now } = deps;
  const { tenantId, ref } = caller;
  await Promise.all([codec.prepare(tenantId), closeIfOver(deps, tenantId, id)]);
  const answered = await database.asTenant(tenantId, async (tx) => {
    const record = await findQuestion(tx, id, "lock");
    if (!record) throw notFound(id);
    if (record.status !== "pending" || record.expiresAt <= now())
      throw new AppError("approval_closed", `The question is ${record.status === "pending" ? "expired" : record.status}.`);
    checkAnswer(viewQuestion(codec, record).question, given);
    const stored = codec.encode({ ...given }, { tenantId, row: `${rowOf(id)}/answer`, confidential: true });
    await closeQuestion(tx, { id, status: STATUS[given.action], answer: stored, at: now(), by: ref });
    const details = { server: record.serverName, tool: record.tool, runId: record.runId, action: given.action };
    await audit.record(tx, { tenantId, actor: ref, action: "mcp_question.answered", target: `mcp_question:${id}`, details });
    return findQuestion(tx, id);
  });
  if (!answered) throw notFound(id);
  const { runId, status } = answered;
  live.publish(tenantId, { type: "mcp_question", questionId: id, runId, status });
  return viewQuestion(codec, answered);
}
