import {
  CLIENT_CAPABILITIES_META_KEY,
  LOG_LEVEL_META_KEY,
  type ClientCapabilities,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { LIMITS } from "#contract/limits.ts";
import { isRecord } from "../connection/json-value.ts";
import type { Answers, Party, Questions } from "../connection/open-call.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { Asked, Params } from "./handler.ts";

type Request = ServerContext["mcpReq"];
type Asking = {
  /** Of a client of the 2025 era, as it has said when its session began. */
  capabilities: ClientCapabilities | undefined;
  input: Params | undefined;
  sessionKey: string;
};

/** What a client's request brings beside its parameters, put so that a server of either era can be asked. */
export function askedBy({ mcpReq }: ServerContext, { capabilities, input, sessionKey }: Asking): Asked {
  const { progressToken, ...meta } = { progressToken: undefined, ...mcpReq._meta };
  const envelope: Params | undefined = mcpReq.envelope && { ...mcpReq.envelope };
  // Whoever cannot be asked in the middle of a request is of the 2026 era: it is answered with what is to be asked.
  const reachable = envelope === undefined ? capabilities : undefined;
  const can = envelope === undefined ? { ...capabilities } : asRecord(envelope[CLIENT_CAPABILITIES_META_KEY]);
  const level = envelope === undefined ? "debug" : envelope[LOG_LEVEL_META_KEY];
  const told = { [CLIENT_CAPABILITIES_META_KEY]: can, ...(level !== undefined && { [LOG_LEVEL_META_KEY]: level }) };
  return {
    signal: mcpReq.signal,
    input,
    sessionKey,
    meta: (server) => (server.connection?.era === "modern" ? { ...meta, ...told, ...withoutQuestions(server, can) } : meta),
    onProgress:
      progressToken === undefined
        ? undefined
        : (progress) => void mcpReq.notify({ method: "notifications/progress", params: { ...progress, progressToken } }).catch(() => {}),
    onMessage: ({ level: of, data, logger }) => void mcpReq.log(of, data, logger).catch(() => {}),
    ask: reachable?.elicitation && ((questions, signal) => elicit(mcpReq, questions, signal)),
    party: partyOf(mcpReq, reachable),
  };
}

/** Where the settings forbid questions, the server is not told that somebody could answer them. */
function withoutQuestions({ record }: SupervisedServer, can: Params): Params {
  return record.settings.elicitation === false ? { [CLIENT_CAPABILITIES_META_KEY]: { ...can, elicitation: undefined } } : {};
}

/**
 * A person may take as long as the whole call. Said to belong to the client's request, the question goes out on that request's own
 * answer: the client need not have opened a stream of its own by then.
 */
const patient = ({ id }: Request, signal: AbortSignal) => ({ signal, timeout: LIMITS.mcpCallMs, relatedRequestId: id });

async function elicit(mcpReq: Request, questions: Questions, signal: AbortSignal): Promise<Answers> {
  const answers = Object.entries(questions).map(
    async ([key, question]) => [key, await mcpReq.elicitInput(question, patient(mcpReq, signal))] as const,
  );
  return Object.fromEntries(await Promise.all(answers));
}

function partyOf(mcpReq: Request, reachable: ClientCapabilities | undefined): Party {
  return {
    takesInput: true,
    sample: reachable?.sampling && ((params, signal) => mcpReq.requestSampling(params, patient(mcpReq, signal))),
    roots: reachable?.roots && (() => mcpReq.send({ method: "roots/list" }, patient(mcpReq, mcpReq.signal))),
  };
}

const asRecord = (value: unknown): Params => (isRecord(value) ? value : {});
