import type { ElicitRequestParams } from "@modelcontextprotocol/client";
import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { Issue } from "#contract/errors.ts";
import { ServerQuestion, type McpQuestion, type QuestionAnswer } from "#contract/mcp/questions.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Redactor, ValueCodec } from "#server/kernel/ports.ts";
import { scanDefinition } from "../catalogue/scan/scan.ts";
import { toJson } from "../connection/json-value.ts";
import { findingOfPage } from "../connection/questions.ts";
import { schemaCheck } from "../connection/validators.ts";
import type { QuestionRecord } from "./questions.pg.ts";

export const rowOf = (id: string): string => `mcp_questions/${id}`;

/** The question as people see it: the server knows secrets that they may not. */
export function questionOf(params: ElicitRequestParams, redactor: Redactor): ServerQuestion {
  const { message } = params;
  if (params.mode !== "url")
    return redactor.json({ mode: "form", message, requestedSchema: z.record(z.string(), Json).parse(toJson(params.requestedSchema)) });
  const { href, host } = new URL(params.url);
  return redactor.json({ mode: "url", message, url: href, host });
}

/** Why a person should look twice. `own`: the address that the server is reached at. */
export function findingsOf(question: ServerQuestion, own: string | undefined): string[] {
  const page = question.mode === "url" ? findingOfPage(question.url, own) : undefined;
  return [...(page === undefined ? [] : [`url: ${page}`]), ...scanDefinition(question)];
}

export function viewQuestion(codec: ValueCodec, record: QuestionRecord): McpQuestion {
  const { id, tenantId, serverId, serverName, tool, runId, scope, nodeId, status, askedAt, expiresAt, closedAt, closedBy } = record;
  const question = ServerQuestion.parse(codec.decode(record.question, { tenantId, row: rowOf(id) }));
  return {
    id,
    serverId,
    serverName,
    tool,
    runId,
    scope,
    nodeId,
    status,
    question,
    findings: findingsOf(question, record.serverUrl ?? undefined),
    askedAt: askedAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    closedAt: closedAt?.toISOString() ?? null,
    closedBy,
  };
}

/** Throws `request_invalid` unless the answer is one to this question, and `mcp_protocol_error` when no answer could be. */
export function checkAnswer(question: ServerQuestion, { action, content }: QuestionAnswer): void {
  if (action !== "accept" || question.mode === "url") {
    if (content === undefined) return;
    throw new AppError("request_invalid", "Expected `content` only with `accept`, and only for a form.");
  }
  const issues = issuesOf(question.requestedSchema, content ?? {});
  if (issues.length === 0) return;
  throw new AppError("request_invalid", `The answer does not fit the form: ${issues[0]?.path} ${issues[0]?.message}.`, { issues });
}

function issuesOf(schema: Record<string, Json>, content: NonNullable<QuestionAnswer["content"]>): Issue[] {
  const { properties = {} } = schema;
  const unknown = Object.keys(content).filter(
    (name) => typeof properties !== "object" || properties === null || !Object.hasOwn(properties, name),
  );
  if (unknown.length > 0) return unknown.map((name) => ({ path: `content.${name}`, message: "is not asked for" }));
  return schemaCheck(schema, "The form of the question", "content")(content);
}
