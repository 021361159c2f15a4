import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";
import { basename } from "node:path";
import {
  ProtocolError,
  ProtocolErrorCode,
  isSpecType,
  type ClientCapabilities,
  type CreateMessageRequestParams,
  type CreateMessageResult,
  type CreateMessageResultWithTools,
  type ElicitRequestParams,
  type ElicitResult,
  type InputRequest,
  type ListRootsResult,
} from "@modelcontextprotocol/client";
import type { LogLevel } from "#contract/mcp/logs.ts";
import type { ServerSettings } from "#contract/mcp/settings.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { StepRef } from "#server/kernel/ports.ts";
import { isRecord } from "./json-value.ts";
import type { Answers, OpenCall, Questions } from "./open-call.ts";
import { refusalOf } from "./questions.ts";

type Sampled = CreateMessageResult | CreateMessageResultWithTools;
export type SamplingRequest = { params: CreateMessageRequestParams; step: StepRef | undefined; signal: AbortSignal };

/** What the platform does for one server that asks or tells it something. */
export type Answering = {
  /** As they are now: what a server may ask can change while it runs. */
  settings(): ServerSettings;
  /** The address that the server is reached at; undefined for one that is a process here. */
  own: string | undefined;
  /** Asks the model that the settings name. Rejects with an `AppError` that the server is told of. */
  sample(request: SamplingRequest): Promise<CreateMessageResult>;
  log(level: LogLevel, text: string): void;
  /** So many messages came too fast. */
  drop(lines: number): void;
  /** A line about what was refused. */
  note(text: string): void;
};

/** Only what the settings allow is declared. */
export function capabilitiesFor({ elicitation, sampling, roots }: ServerSettings): ClientCapabilities {
  return {
    ...(elicitation !== false && { elicitation: { form: {}, url: {} } }),
    ...(sampling && { sampling: {} }),
    ...(roots && { roots: { listChanged: true } }),
  };
}

const rootsOf = ({ roots = [] }: ServerSettings): ListRootsResult => ({
  roots: roots.map((folder) => ({ uri: pathToFileURL(folder).href, name: basename(folder) })),
});

type Asked = { questions: Questions; withdrawn?: AbortSignal };

/** Asks whoever waits for the call. What nobody should be asked is declined in their name; without anybody to ask, it is cancelled. */
export async function elicit(answering: Answering, call: OpenCall, { questions, withdrawn }: Asked): Promise<Answers> {
  call.onAsked();
  const refusals = new Map(Object.entries(questions).map(([key, question]) => [key, refusal(answering, question)]));
  const asked = Object.fromEntries(Object.entries(questions).filter(([key]) => refusals.get(key) === undefined));
  const { ask } = call;
  const isAsked = ask !== undefined && Object.keys(asked).length > 0;
  const given = isAsked ? await call.whileAsking((signal) => ask(asked, signal), withdrawn) : {};
  return Object.fromEntries(
    [...refusals].map(([key, why]): [string, ElicitResult] => {
      if (why !== undefined) answering.note(`declined a question of the server: ${why}`);
      return [key, why === undefined ? (given[key] ?? { action: "cancel" }) : { action: "decline" }];
    }),
  );
}

function refusal(answering: Answering, question: ElicitRequestParams): string | undefined {
  const { elicitation } = answering.settings();
  if (elicitation === false) return "questions are not allowed for this server";
  return refusalOf(question, { own: answering.own, hosts: typeof elicitation === "object" ? elicitation.hosts : undefined });
}

/** The requests inside an `input_required` result of the 2026 era, answered. */
export async function answerInput(
  answering: Answering,
  call: OpenCall,
  requests: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const parsed = Object.entries(requests).map(([key, request]) => [key, parseInput(key, request)] as const);
  const questions = parsed.flatMap(([key, { method, params }]) => (method === "elicitation/create" ? [[key, params] as const] : []));
  const told = await elicit(answering, call, { questions: Object.fromEntries(questions) });
  const answers: [string, unknown][] = Object.entries(told);
  for (const [key, { method, params }] of parsed) {
    if (method === "roots/list") answers.push([key, await listRoots(answering, call)]);
    if (method === "sampling/createMessage") answers.push([key, await sample(answering, call, { params, signal: call.signal })]);
  }
  return Object.fromEntries(answers);
}

/** Of the party that the request is made for, if it has a model of its own: then it is no matter of ours. */
export async function sample(answering: Answering, call: OpenCall, wanted: Omit<SamplingRequest, "step">): Promise<Sampled> {
  call.onAsked();
  const { sample: own } = call.party ?? {};
  if (own !== undefined) return call.whileAsking((signal) => own(wanted.params, signal), wanted.signal);
  allowed(answering, "sampling");
  return answering.sample({ ...wanted, step: call.step, signal: call.whileOpen(wanted.signal) });
}

/** Of the party that the request is made for, if there is one with roots of its own. */
export async function listRoots(answering: Answering, call: OpenCall | undefined): Promise<ListRootsResult> {
  call?.onAsked();
  return call?.party?.roots?.() ?? rootsOf(allowed(answering, "roots"));
}

/** Throws when something is asked that nobody should be asked: a party that the request is made for is not asked it either. */
export function checkInput(answering: Answering, requests: Readonly<Record<string, unknown>>): void {
  for (const [key, raw] of Object.entries(requests)) {
    const { method, params } = parseInput(key, raw);
    const why = method === "elicitation/create" ? refusal(answering, params) : undefined;
    if (why === undefined) continue;
    answering.note(`declined a question of the server: ${why}`);
    throw new AppError("mcp_input_refused", `The server asks what nobody should be asked: ${why}.`);
  }
}

function parseInput(key: string, raw: unknown): InputRequest {
  // In the 2026 era a question that leads to a page has no name of its own beside its key.
  const params = isRecord(raw) && isRecord(raw["params"]) && raw["params"]["mode"] === "url" ? raw["params"] : undefined;
  const request: unknown = isRecord(raw) && params ? { ...raw, params: { elicitationId: randomUUID(), ...params } } : raw;
  if (isSpecType.ElicitRequest(request) || isSpecType.CreateMessageRequest(request) || isSpecType.ListRootsRequest(request)) return request;
  throw new AppError(
    "mcp_protocol_error",
    `The server asks for input ${JSON.stringify(key.slice(0, 80))} in a way that is not in the protocol.`,
  );
}

/** The settings, if they allow it. */
export function allowed(answering: Answering, what: "sampling" | "roots"): ServerSettings {
  const settings = answering.settings();
  if (settings[what] !== undefined) return settings;
  answering.note(`refused the server's request for ${what}: the settings do not allow it`);
  throw new AppError("mcp_input_refused", `The server asks for ${what}, which its settings do not allow.`);
}

/** What a server of the 2025 era is told when it may not have what it asks for. */
export function refused(error: AppError): ProtocolError {
  return new ProtocolError(error.code === "mcp_input_refused" ? REJECTED : ProtocolErrorCode.InternalError, error.message);
}
/** The code that the specification gives to a sampling request which a person has turned down. */
const REJECTED = -1;
