import { extractWWWAuthenticateParams } from "@modelcontextprotocol/client";
import type { FailureEvidence } from "#contract/mcp/failures.ts";
import { ConnectionFailure } from "./connection-failure.ts";

/** Of an answer's headers, those that explain a refusal; the others could hold what nobody should read. */
const TELLING = ["www-authenticate", "content-type", "location", "server", "retry-after", "allow", "via", "mcp-protocol-version"];
const BODY_BYTES = 1_024;
const HEADER_CHARS = 500;

type Answer = NonNullable<FailureEvidence["http"]>;
export type SeenAnswer = Answer & { challenge: ReturnType<typeof extractWWWAuthenticateParams> };

/** Looks at the answers of one connection while it is opened, so that a failure can be explained. */
export type AnswerWitness = {
  fetch: typeof globalThis.fetch;
  /** The last answer that was not MCP. */
  seen(): SeenAnswer | undefined;
  /** From now on answers pass by. */
  done(): void;
};

export function witnessAnswers(inner: typeof globalThis.fetch, onAnswer: () => void): AnswerWitness {
  let last: SeenAnswer | undefined;
  let isDone = false;
  return {
    seen: () => last,
    done: () => void (isDone = true),
    fetch: async (input, init) => {
      const response = await inner(input, init);
      if (isDone) return response;
      onAnswer();
      last = undefined;
      if (!isOdd(response)) return response;
      const headers = TELLING.flatMap((name) => {
        const value = response.headers.get(name);
        return value === null ? [] : [[name, value.slice(0, HEADER_CHARS)] as const];
      });
      const challenge = extractWWWAuthenticateParams(response);
      const answer = { status: response.status, headers: Object.fromEntries(headers), body: "", challenge };
      last = answer;
      return tee(response, (text) => void (answer.body = text));
    },
  };
}

/** Neither a message nor a stream of them. */
function isOdd({ ok, status, headers }: Response): boolean {
  const type = headers.get("content-type") ?? "";
  return !ok || (status !== 202 && status !== 204 && !/^(application\/json|text\/event-stream)\b/i.test(type));
}

/** The same answer, whose first bytes are told as they pass. */
function tee(response: Response, onText: (text: string) => void): Response {
  if (response.body === null) return response;
  const parts: Uint8Array[] = [];
  let size = 0;
  const look = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      if (size < BODY_BYTES) {
        parts.push(chunk.subarray(0, BODY_BYTES - size));
        size += chunk.length;
        onText(Buffer.concat(parts).toString("utf8"));
      }
      controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(look), { status, statusText, headers });
}

/** The class of an answer that was no answer of an MCP server. Undefined when its status says nothing. */
export function answerFailure(seen: SeenAnswer, cause: unknown): ConnectionFailure | undefined {
  const { challenge, ...http } = seen;
  const { status, headers } = http;
  const evidence = { http };
  if (status === 401) return unauthorized(seen, { cause, evidence });
  if (status === 403) {
    const wanted = challenge.scope === undefined ? "" : ` It asks for the scope ${challenge.scope}.`;
    return new ConnectionFailure("mcp_forbidden", `The server refuses this client (HTTP 403).${wanted}`, { cause, evidence });
  }
  if (status >= 300 && status < 400) {
    const message = `The server answers HTTP ${status} and sends callers to ${headers["location"] ?? "nowhere"}, where they are not taken.`;
    return new ConnectionFailure("mcp_redirect_refused", message, { cause, evidence });
  }
  if (status >= 500 || status === 429) {
    const message = `The address answered with HTTP ${status}, not with MCP.`;
    return new ConnectionFailure("mcp_server_failed", message, { cause, evidence, retryable: true });
  }
  if (status < 300 || [404, 405, 406, 410, 415].includes(status)) {
    const what = status < 300 ? (headers["content-type"] ?? "a document without a type") : `HTTP ${status}`;
    return new ConnectionFailure("mcp_endpoint_wrong", `The address answered with ${what}, not with MCP.`, { cause, evidence });
  }
  return new ConnectionFailure("mcp_handshake_failed", `The server refused the handshake with HTTP ${status}.`, { cause, evidence });
}

function unauthorized({ headers, challenge }: SeenAnswer, options: { cause: unknown; evidence: FailureEvidence }): ConnectionFailure {
  const header = headers["www-authenticate"] ?? "";
  const realm = /\brealm="([^"]{1,200})"/i.exec(header)?.[1];
  const asked = [
    realm === undefined ? "" : ` Its realm is "${realm}".`,
    challenge.scope === undefined ? "" : ` It asks for the scope ${challenge.scope}.`,
    challenge.errorDescription === undefined ? "" : ` It says: ${challenge.errorDescription.slice(0, 200)}`,
  ].join("");
  const message = `The server wants a credential, or does not accept the one it got (HTTP 401).${asked}`;
  return new ConnectionFailure("mcp_unauthorized", message, options);
}
