import {
  ProtocolError,
  ProtocolErrorCode,
  createRequestStateCodec,
  isInputRequiredResult,
  type InputRequiredResult,
  type RequestStateCodec,
  type Result,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { AppError } from "#server/kernel/errors.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import { canonicalJson, sha256 } from "../catalogue/canonical.ts";
import { isRecord } from "../connection/json-value.ts";
import { InputWanted } from "../connection/open-call.ts";
import { refusalOf } from "../connection/questions.ts";
import type { Params } from "./handler.ts";
import { plain } from "./plain.ts";

/** What a server gave us to keep, and which request it belongs to. */
type Kept = { about: string; state: string };

/**
 * What servers of the 2026 era let their client keep between two rounds of a request. It comes to our client sealed: only
 * the same caller can bring it back, only with the same request, and only for ten minutes.
 */
export type InputState = {
  verify: (state: string, ctx: ServerContext) => Promise<Kept>;
  /** What the client has answered, for the server that asked; undefined when nothing was asked before. */
  open(ctx: ServerContext, about: string): Params | undefined;
  /** Refuses what nobody should be asked. */
  seal(wanted: InputRequiredResult, about: string, ctx: ServerContext): Promise<Result>;
};

export function createInputState({ key, redactor }: { key: Uint8Array; redactor: Redactor }, owner: string): InputState {
  let made: RequestStateCodec<Kept> | undefined;
  const codec = (): RequestStateCodec<Kept> =>
    (made ??= createRequestStateCodec<Kept>({ key, bind: ({ mcpReq }) => `${owner}\0${mcpReq.method}` }));
  return {
    verify: (state, ctx) => codec().verify(state, ctx),
    open({ mcpReq }, about) {
      const kept = mcpReq.requestState<Kept>();
      if (kept !== undefined && kept.about !== about)
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, "Invalid or expired requestState");
      const { inputResponses } = mcpReq;
      if (kept === undefined && inputResponses === undefined) return undefined;
      return { ...(inputResponses && { inputResponses }), ...(kept && { requestState: kept.state }) };
    },
    async seal({ requestState, ...wanted }, about, ctx) {
      for (const request of Object.values(wanted.inputRequests ?? {})) {
        const why = request.method === "elicitation/create" ? refusalOf(request.params) : undefined;
        if (why !== undefined) throw new AppError("mcp_input_refused", `The server asks what nobody should be asked: ${why}.`);
      }
      const asked = plain(redactor, wanted);
      return requestState === undefined ? asked : { ...asked, requestState: await codec().mint({ about, state: requestState }, ctx) };
    },
  };
}

type Question = { ctx: ServerContext; key: string; params: Params };

/** An answer, or what is to be asked first; `answer` gets what was asked before. */
export async function answerWith(
  input: InputState,
  { ctx, key, params }: Question,
  answer: (answers: Params | undefined) => Promise<Result> | Result,
): Promise<Result> {
  const { inputResponses, requestState } = ctx.mcpReq;
  const isSecond = inputResponses !== undefined || requestState() !== undefined;
  const given = await orInput(async () => answer(isSecond ? input.open(ctx, aboutOf(key, params)) : undefined));
  return isInputRequiredResult(given) ? input.seal(given, aboutOf(key, params), ctx) : given;
}

/** What the server needs to know first is an answer too. */
async function orInput(answer: () => Promise<Result>): Promise<Result> {
  try {
    return await answer();
  } catch (thrown) {
    if (thrown instanceof InputWanted) return thrown.result;
    throw thrown;
  }
}

/** Tells requests apart that may be asked again with answers: the same thing with other arguments is another one. */
function aboutOf(endpoint: string, params: Params): string {
  const { name, uri, arguments: args } = params;
  return sha256(canonicalJson({ endpoint, name, uri, args: isRecord(args) ? args : {} }) ?? "");
}
