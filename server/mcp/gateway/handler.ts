import type { Result } from "@modelcontextprotocol/server";
import type { CallOptions, Party } from "../connection/open-call.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";

export type Params = Record<string, unknown>;

/** What belongs to a request besides its parameters, and goes on to the server that is asked. */
export type Asked = Pick<CallOptions, "onProgress" | "onMessage" | "ask"> & {
  signal: AbortSignal;
  meta: (server: SupervisedServer) => Params;
  /** Whose connection it is, where a server has one for each session. */
  sessionKey: string;
  party: Party;
  /** What the server wanted to know when it was asked the same before. */
  input: Params | undefined;
};
export type Handler = (params: Params, asked: Asked) => Promise<Result> | Result;
