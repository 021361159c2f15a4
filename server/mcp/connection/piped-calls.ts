import { ProtocolError, SdkError, SdkErrorCode, type JSONRPCErrorResponse, type JSONRPCResponse } from "@modelcontextprotocol/client";
import type { OpenCall } from "./open-call.ts";
import type { StdioTransport } from "./stdio-transport.ts";

type Pipe = Pick<StdioTransport, "post" | "send" | "onresult">;
type Params = Record<string, unknown>;
type Waiting = { resolve: (result: unknown) => void; reject: (error: unknown) => void };
/** What the protocol's era adds to the parameters of each message. */
type Envelope = (params: Params) => Params;

/** The SDK counts its own requests from nought. */
const FIRST_ID = 1_000_000_000;

/**
 * The way of a tool call over a pipe and back. It is the SDK's `request` for this one method, without its price: the funnel there costs
 * more than all else that is done for a call (`docs/decisions/0011`).
 */
export class PipedCalls {
  readonly #pipe: Pipe;
  readonly #envelope: Envelope;
  readonly #waiting = new Map<unknown, Waiting>();
  #nextId = FIRST_ID;

  constructor(pipe: Pipe, envelope: Envelope) {
    this.#pipe = pipe;
    this.#envelope = envelope;
    pipe.onresult = (result) => this.settle(result);
  }

  /**
   * Resolves with the result as the server sent it. Rejects with a `ProtocolError` when the server answers with an error, and with an
   * `SdkError` when the call is given up, of which the server is told, or the conversation ends.
   */
  send(params: Params, call: OpenCall): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = this.#nextId++;
    call.whenGivenUp((reason) => {
      if (this.#waiting.delete(id)) this.#cancel(id, String(reason));
      reject(reason instanceof SdkError ? reason : new SdkError(SdkErrorCode.RequestTimeout, String(reason)));
    });
    if (call.isGivenUp) return promise;
    try {
      this.#pipe.post({ jsonrpc: "2.0", id, method: "tools/call", params: this.#envelope(params) }, call.step);
      this.#waiting.set(id, { resolve, reject });
    } catch (error) {
      reject(error);
    }
    return promise;
  }

  /** Whether it was an answer to one of these. */
  settle(answer: JSONRPCResponse | JSONRPCErrorResponse): boolean {
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return false;
    this.#waiting.delete(answer.id);
    if ("result" in answer) waiting.resolve(answer.result);
    else waiting.reject(ProtocolError.fromError(answer.error.code, answer.error.message, answer.error.data));
    return true;
  }

  /** The conversation is over. */
  end(): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of all) reject(new SdkError(SdkErrorCode.ConnectionClosed, "Connection closed"));
  }

  /** A pipe that takes no more has nobody at its end who could be told. */
  #cancel(requestId: number, reason: string): void {
    void this.#pipe
      .send({ jsonrpc: "2.0", method: "notifications/cancelled", params: this.#envelope({ requestId, reason }) })
      .catch(() => {});
  }
}
