import type { JSONRPCNotification, JSONRPCRequest, JSONRPCResponse } from "@modelcontextprotocol/server";
import { isRecord } from "../connection/json-value.ts";

export type Incoming =
  | { kind: "request"; message: JSONRPCRequest }
  | { kind: "notification"; message: JSONRPCNotification }
  | { kind: "response"; message: JSONRPCResponse };

/** Why something is not a message; `id` is its own where it has a usable one, so that the sender can tell what is meant. */
export type NotAMessage = { kind: "invalid"; why: string; id: string | number | null };

/**
 * Reads one message, strictly: a request's id is a string or an integer that survives JSON, and nothing else. By hand
 * rather than by schema: it is on the path of every call, and parameters are parsed where they are used.
 */
export function readMessage(body: unknown): Incoming | NotAMessage {
  if (Array.isArray(body)) return invalid("batches are not part of the protocol any more: send one message at a time");
  if (!isRecord(body)) return invalid("expected one JSON-RPC message, an object");
  const id = isId(body["id"]) ? body["id"] : null;
  if (body["jsonrpc"] !== "2.0") return invalid('expected "jsonrpc": "2.0"', id);
  if ("id" in body && id === null)
    return invalid(`expected the id to be a string of at most ${ID_CHARS} characters or an integer below 2^53`);
  const { params } = body;
  if (params !== undefined && !isRecord(params)) return invalid("expected the parameters to be an object", id);
  if (isResponse(body)) return { kind: "response", message: body };
  if (isRequest(body)) return { kind: "request", message: body };
  if (isNotification(body)) return { kind: "notification", message: body };
  return invalid("expected a method, or a result or an error with an id", id);
}

const invalid = (why: string, id: string | number | null = null): NotAMessage => ({ kind: "invalid", why, id });

const ID_CHARS = 256;

const isId = (id: unknown): id is string | number => (typeof id === "string" ? id.length <= ID_CHARS : Number.isSafeInteger(id));

type Members = Record<string, unknown>;

const isRequest = (body: Members): body is Members & JSONRPCRequest => isMethod(body["method"]) && "id" in body;
const isNotification = (body: Members): body is Members & JSONRPCNotification => isMethod(body["method"]) && !("id" in body);
const isMethod = (method: unknown): boolean => typeof method === "string" && method.length > 0 && method.length <= 200;

function isResponse(body: Members): body is Members & JSONRPCResponse {
  if ("method" in body || !("id" in body)) return false;
  const { result, error } = body;
  if (error === undefined) return isRecord(result);
  return result === undefined && isRecord(error) && Number.isSafeInteger(error["code"]) && typeof error["message"] === "string";
}
