import pc from "picocolors";
import { QuestionAnswer, QuestionStatus, type McpQuestion } from "#contract/mcp/questions.ts";
import type { Client } from "#sdk/client.ts";
import { AppError, checkAnswer } from "#server/main.ts";
import { fieldsOf, readFields, type Field } from "../answer-form.ts";
import { readInput } from "../definition-file.ts";
import { notice, printDocument, printList, printable, say, shortened, type Format } from "../output.ts";
import { readPair } from "./mcp-import.ts";

export const QUESTION_STATUSES = QuestionStatus.options;

type Listed = { status: QuestionStatus; run?: string; limit: string; output: Format };

export async function listQuestions(client: Client, { status, run, limit, output }: Listed): Promise<void> {
  const { items } = await client.listMcpQuestions({ query: { status, limit: Number(limit), ...(run !== undefined && { runId: run }) } });
  printList(items, output, [
    ["ID", (asked) => asked.id],
    ["STATUS", (asked) => asked.status],
    ["SERVER", (asked) => asked.serverName],
    ["TOOL", (asked) => asked.tool],
    ["RUN", (asked) => asked.runId],
    ["STEP", stepOf],
    ["SINCE", (asked) => asked.askedAt],
    ["FINDINGS", (asked) => (asked.findings.length === 0 ? "" : asked.findings.length)],
    ["ASKED", (asked) => shortened(asked.question.message, 70)],
  ]);
}

const FLAGS = ["accept", "input", "decline", "cancel"] as const;
type Said = { accept?: true | string[]; input?: string; decline?: true; cancel?: true };

/** Answers, or shows the question when nothing says what to answer. Resolves with the exit code: 1 when nothing was answered. */
export async function answerQuestion(client: Client, id: string, { output, ...said }: Said & { output: Format }): Promise<number> {
  const action = actionOf(said);
  const asked = await client.getMcpQuestion({ params: { id } });
  if (action === undefined) {
    if (output === "table") printQuestion(asked);
    else printDocument(asked, output);
    return 1;
  }
  const body = action === "accept" ? acceptedBody(asked, said) : { action };
  const answered = await client.answerMcpQuestion({ params: { id }, body });
  notice(`${id} is answered: ${action}.`);
  if (output !== "table") printDocument(answered, output);
  return 0;
}

function actionOf(said: Said): QuestionAnswer["action"] | undefined {
  const given = FLAGS.filter((flag) => said[flag] !== undefined);
  const isOneAnswer = given.length < 2 || (said.accept === true && given.join() === "accept,input");
  if (!isOneAnswer)
    throw new Error(`Expected one of --accept, --input, --decline and --cancel; got ${given.map((flag) => `--${flag}`).join(" and ")}.`);
  const [first] = given;
  return first === "input" ? "accept" : first;
}

/** Throws `request_invalid` with the fields that do not fit, before anything is sent. */
function acceptedBody({ id, status, question }: McpQuestion, said: Said): QuestionAnswer {
  const content = contentOf(question, said);
  const remedy = `\`auterity mcp answer ${id}\` shows what is asked for.`;
  const parsed = QuestionAnswer.safeParse({ action: "accept", ...(content !== undefined && { content }) });
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
    throw new AppError("request_invalid", `The answer does not fit: ${issues[0]?.path} ${issues[0]?.message}.`, { issues, remedy });
  }
  // Of one that nobody can answer any more, the platform says so.
  if (status !== "pending") return parsed.data;
  try {
    checkAnswer(question, parsed.data);
  } catch (cause) {
    if (!(cause instanceof AppError) || cause.code !== "request_invalid") throw cause;
    throw new AppError(cause.code, cause.message, { cause, remedy, ...(cause.issues && { issues: cause.issues }) });
  }
  return parsed.data;
}

function contentOf(question: McpQuestion["question"], { accept, input }: Said): unknown {
  if (input !== undefined) return readInput([input]);
  const pairs = (Array.isArray(accept) ? accept : []).map(readPair);
  if (question.mode === "form") return readFields(question.requestedSchema, pairs);
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}

const stepOf = ({ scope, nodeId }: McpQuestion): string => `${nodeId}${scope === "" ? "" : ` (${scope})`}`;

function printQuestion(asked: McpQuestion): void {
  const { id, serverName, tool, runId, status, question, findings, askedAt, expiresAt } = asked;
  say(printable(`${serverName}/${tool} asks in step ${stepOf(asked)} of run ${runId}, since ${askedAt}:`));
  say(printable(question.message));
  for (const finding of findings) say(pc.yellow(`! ${printable(finding)}`));
  const answer = `auterity mcp answer ${id}`;
  const other = `or --decline, or --cancel; until ${expiresAt}`;
  if (question.mode === "form") printFields(fieldsOf(question.requestedSchema));
  else for (const line of [`Page: ${question.url}`, `Host: ${question.host}`]) say(printable(line));
  if (status !== "pending") return notice(`Nobody can answer it any more: it is ${status}.`);
  if (question.mode === "url") return notice(`Look at the host, open the page and, after having been there: ${answer} --accept, ${other}.`);
  const fields = fieldsOf(question.requestedSchema).map(({ name, isRequired }) => (isRequired ? `${name}=…` : `[${name}=…]`));
  notice(printable(`To answer: ${answer} --accept ${fields.join(" ")}, or --input with JSON or @file, ${other}.`));
}

function printFields(fields: readonly Field[]): void {
  if (fields.length === 0) return say("Nothing is to be filled in.");
  printList(fields, "table", [
    ["FIELD", ({ name }) => name],
    ["TYPE", ({ type }) => type],
    ["REQUIRED", ({ isRequired }) => (isRequired ? "yes" : "no")],
    ["DEFAULT", (field) => field.default],
    ["ABOUT", ({ about }) => about],
  ]);
}
