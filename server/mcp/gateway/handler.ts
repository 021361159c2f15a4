import type { Progress, Result } from "@modelcontextprotocol/server";

export type Params = Record<string, unknown>;
/** What belongs to a request besides its parameters. */
export type Asked = {
  signal: AbortSignal;
  /** Goes on to the server that is asked. */
  meta: Params;
  /** Tells the client how far it is, if it wants to know. */
  tell: ((progress: Progress) => void) | undefined;
};
export type Handler = (params: Params, asked: Asked) => Promise<Result> | Result;
