import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Permission } from "#contract/permissions.ts";
import type { Caller } from "./caller.ts";

/** A request of the Model Context Protocol: who sends it is known, its body is JSON within the limits. */
export type McpRequest = {
  caller: Caller;
  /** The name in the path; absent where all servers are served as one. */
  server: string | undefined;
  /** The path with its query. */
  url: string;
  method: string;
  headers: IncomingHttpHeaders;
  body: unknown;
  /** Throws `permission_denied`, audited, unless the caller has it. */
  need: (permission: Permission) => Promise<void>;
  /** Whether the credentials of this request are still good, asked as often as one likes. */
  mayGoOn: () => Promise<boolean>;
};
/** Where an answer goes; `headers` belong to every answer. */
export type McpAnswer = { raw: ServerResponse; headers: Readonly<Record<string, string>> };

/** The platform as an MCP server. */
export interface McpEndpoint {
  /** Answers. What it throws before it has begun to is answered by the caller. */
  serve(request: McpRequest, answer: McpAnswer): Promise<void>;
  /** Ends all sessions and streams. */
  close(): Promise<void>;
}
