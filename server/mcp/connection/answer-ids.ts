import type { JSONRPCMessage } from "@modelcontextprotocol/client";

/**
 * Whether it is an answer that can belong to nothing. Our requests are numbered, but for the SDK's first one of all, whose id is
 * a name; `"1"` is not `1`, though the SDK would take the one for the other.
 */
export const answersNothing = (message: JSONRPCMessage): boolean => !("method" in message) && !isOurs(message.id);

const isOurs = (id: unknown): boolean => Number.isSafeInteger(id) || (typeof id === "string" && Number.isNaN(Number(id)));
