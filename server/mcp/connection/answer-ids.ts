import type { JSONRPCMessage } from "@modelcontextprotocol/client";

/** Whether it is an answer that can belong to nothing: our requests have numbers, and `"1"` is not `1`. */
export const answersNothing = (message: JSONRPCMessage): boolean => !("method" in message) && !Number.isSafeInteger(message.id);
