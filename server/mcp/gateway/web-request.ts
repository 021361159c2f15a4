import type { IncomingHttpHeaders } from "node:http";
import type { McpAnswer } from "#server/kernel/mcp-endpoint.ts";
import { write } from "./exchange.ts";

type Parts = { method: string; headers: IncomingHttpHeaders; signal: AbortSignal };

/** The request as the SDK's handlers take it; its body travels beside it, already parsed. */
export function webRequest({ method, headers, signal }: Parts): Request {
  const kept = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    value === undefined || UNSAFE.has(name) ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
  );
  return new Request("http://gateway.invalid/mcp", { method, headers: kept, signal });
}
/** Of the connection rather than of the request; and the credentials, which nothing behind here needs. */
const UNSAFE: ReadonlySet<string> = new Set(["connection", "content-length", "transfer-encoding", "authorization", "cookie"]);

/** Sends such an answer as it comes: the SDK would keep all that a client does not read, without bound. `onPiece`: told what is sent. */
export async function sendResponse(answer: McpAnswer, response: Response, onPiece?: (piece: string) => void): Promise<void> {
  const { raw, headers } = answer;
  raw.writeHead(response.status, { ...headers, ...Object.fromEntries(response.headers) });
  if (response.body !== null) {
    raw.flushHeaders();
    for await (const chunk of response.body) {
      if (raw.destroyed) break;
      onPiece?.(Buffer.from(chunk).toString("utf8"));
      write(answer, chunk);
    }
  }
  raw.end();
}
