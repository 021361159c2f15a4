import { isJSONRPCNotification, isJSONRPCRequest, type JSONRPCMessage } from "@modelcontextprotocol/server";
import type { Redactor } from "#server/kernel/ports.ts";
import { isRecord, toJson } from "../connection/json-value.ts";

/** Unlike what steps return, this goes straight to the caller, and servers know secrets that the caller may not. */
export function plain(redactor: Redactor, result: unknown): Record<string, unknown> {
  const json = redactor.json(toJson(result));
  return isRecord(json) ? json : {};
}

/** The same of what is told or asked before the result; answers are made of what is `plain` already. */
export function plainMessage(redactor: Redactor, message: JSONRPCMessage): JSONRPCMessage {
  if (!("method" in message)) return message;
  const clear: unknown = redactor.json(toJson(message));
  return clear !== message && (isJSONRPCNotification(clear) || isJSONRPCRequest(clear)) ? clear : message;
}
