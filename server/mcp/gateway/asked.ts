import {
  CLIENT_CAPABILITIES_META_KEY,
  LOG_LEVEL_META_KEY,
  type ClientCapabilities,
  type RequestId,
  type Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { LIMITS } from "#contract/limits.ts";
import { LOG_LEVELS } from "#contract/mcp/logs.ts";
import { isRecord } from "../connection/json-value.ts";
import { NotAnswered, type Answers, type Party, type Questions } from "../connection/open-call.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Asked, Params } from "./handler.ts";

/** What the SDK tells of a request, as far as it is needed; a call of a session brings the same. */
export type Request = Pick<ServerContext["mcpReq"], "id" | "_meta" | "envelope" | "signal" | "notify">;
type Asking = {
  server: Server;
  isSession: boolean;
  /** From which level on a client of the 2025 era hears what servers say; undefined when it was not promised any of it. */
  logLevel: () => string | undefined;
  input: Params | undefined;
  sessionKey: string;
};

/** What a client's request brings beside its parameters, put so that a server of either era can be asked. */
export function askedBy(request: Request, { server, isSession, logLevel, input, sessionKey }: Asking): Asked {
  const { signal } = request;
  const { progressToken, ...meta } = { progressToken: undefined, ...request._meta };
  const envelope: Params = isSession ? {} : { ...request.envelope };
  // Whoever cannot be asked in the middle of a request is of the 2026 era: it is answered with what is to be asked.
  const reachable = isSession ? server.getClientCapabilities() : undefined;
  const can = isSession ? { ...reachable } : asRecord(envelope[CLIENT_CAPABILITIES_META_KEY]);
  const level = isSession ? "debug" : envelope[LOG_LEVEL_META_KEY];
  const told = { [CLIENT_CAPABILITIES_META_KEY]: can, ...(level !== undefined && { [LOG_LEVEL_META_KEY]: level }) };
  return {
    signal,
    input,
    sessionKey,
    meta: ({ connection, record }) => (connection?.era === "modern" ? { ...meta, ...told, ...withoutQuestions(record, can) } : meta),
    onProgress:
      progressToken === undefined
        ? undefined
        : (progress) => void request.notify({ method: "notifications/progress", params: { ...progress, progressToken } }).catch(() => {}),
    onMessage: ({ level: of, logger, data }) => {
      if (rankOf(of) < rankOf(isSession ? logLevel() : level)) return;
      void request.notify({ method: "notifications/message", params: { level: of, logger, data } }).catch(() => {});
    },
    ask: reachable?.elicitation && ((questions, until) => answered(elicit(server, questions, patient(request.id, until)))),
    party: isSession ? partyOf(server, request, reachable) : { takesInput: true },
  };
}

/** Higher is more serious; what is no level is higher than all. */
function rankOf(level: unknown): number {
  const rank = LOG_LEVELS.findIndex((one) => one === level);
  return rank < 0 ? LOG_LEVELS.length : rank;
}

/** Where the settings forbid questions, the server is not told that somebody could answer them. */
function withoutQuestions({ settings }: SupervisedServer["record"], can: Params): Params {
  return settings.elicitation === false ? { [CLIENT_CAPABILITIES_META_KEY]: { ...can, elicitation: undefined } } : {};
}

/**
 * A person may take as long as the whole call. Said to belong to the client's request, the question goes out on that request's own
 * answer: the client need not have opened a stream of its own by then.
 */
const patient = (id: RequestId, signal: AbortSignal) => ({ signal, timeout: LIMITS.mcpCallMs, relatedRequestId: id });

async function elicit(server: Server, questions: Questions, options: ReturnType<typeof patient>): Promise<Answers> {
  const answers = Object.entries(questions).map(async ([key, question]) => [key, await server.elicitInput(question, options)] as const);
  return Object.fromEntries(await Promise.all(answers));
}

function partyOf(server: Server, { id, signal }: Request, reachable: ClientCapabilities | undefined): Party {
  return {
    takesInput: false,
    sample: reachable?.sampling && ((params, until) => answered(server.createMessage(params, patient(id, until)))),
    roots: reachable?.roots && (() => answered(server.listRoots(undefined, patient(id, signal)))),
  };
}

/** What goes wrong between us and the client is no failure of the server that asked. */
const answered = <T>(answer: Promise<T>): Promise<T> =>
  answer.catch((thrown: unknown) => {
    throw new NotAnswered(thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
  });

const asRecord = (value: unknown): Params => (isRecord(value) ? value : {});
