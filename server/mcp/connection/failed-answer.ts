import { ProtocolErrorCode, type JSONRPCMessage } from "@modelcontextprotocol/client";
import { AppError } from "#server/kernel/errors.ts";
import { MESSAGE_DEPTH } from "./json-value.ts";

/** What goes on instead of an answer, so that whoever waits for it hears at once why there is none. */
export const failedAnswer = (id: string | number, why: Error): JSONRPCMessage => ({
  jsonrpc: "2.0",
  id,
  error: { code: ProtocolErrorCode.InternalError, message: why.message, data: why },
});

/** Instead of a message that is nested too deep. Undefined when nobody waits for it. */
export function insteadOfDeep(message: JSONRPCMessage): JSONRPCMessage | undefined {
  if ("method" in message || message.id === undefined) return undefined;
  return failedAnswer(message.id, new AppError("mcp_protocol_error", `The server's answer is nested deeper than ${MESSAGE_DEPTH} levels.`));
}
