import type { WebSocket } from "ws";
import type { Permission } from "#contract/permissions.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { Handled } from "#server/kernel/handle.ts";
import type { Log } from "#server/kernel/log.ts";
import type { McpEndpoint } from "#server/kernel/mcp-endpoint.ts";
import type { Audit, Database, Redactor } from "#server/kernel/ports.ts";

/** What a request shows of who sends it: the raw headers. */
export type Credentials = { authorization?: string | undefined; cookie?: string | undefined };

export interface Authentication {
  /** Undefined for nobody: no credentials, or wrong, expired or revoked ones. Throws when it cannot know. */
  authenticate(credentials: Credentials): Promise<Caller | undefined>;
}

/** Where custom agents connect; their tokens are their own. */
export interface AgentSocket<Agent> {
  authenticate(token: string): Promise<Agent | undefined>;
  accept(socket: WebSocket, agent: Agent): void;
}

/** Counts and times answers. `route` is a name out of the contract, never a path. */
export interface HttpObserver {
  answered(request: { route: string; method: string; status: number; seconds: number }): void;
}

/** Follows requests; the function that `started` returns is called with the status when the answer has been sent. */
export interface HttpTracer {
  started(request: { route: string; method: string; requestId: string; traceparent?: string | undefined }): (status: number) => void;
}

export type HttpLimits = {
  bodyBytes: number;
  /** Of one address, over all routes. */
  requestsPerMinute: number;
  signInsPerMinute: number;
  /** Of one caller, to the MCP endpoints. */
  mcpRequestsPerMinute: number;
  eventStreamsPerCaller: number;
  /** How long the headers, and the whole request, may take to arrive. */
  headersMs: number;
  requestMs: number;
  heartbeatMs: number;
  /** How often an open stream asks whether its caller may still read. */
  recheckMs: number;
  /** How long answers that are under way may take once the server closes. */
  closeMs: number;
};

export type HttpDeps<Agent> = {
  routes: readonly Handled[];
  /** Only these routes of the contract, and no pages; by default everything. */
  serves?: readonly string[] | undefined;
  access: Authentication;
  agentSocket: AgentSocket<Agent>;
  /** Absent in a process that serves nobody. */
  mcpEndpoint?: McpEndpoint | undefined;
  /** The built web app; a plain page is served without it. */
  webDir?: string | undefined;
  log: Log;
  metrics: HttpObserver;
  tracing?: HttpTracer | undefined;
  redactor: Redactor;
  audit: Audit;
  database: Database;
  /** What the server is, or will be, bound to. */
  host: string;
  version: string;
  newId: () => string;
  limits?: Partial<HttpLimits>;
  /** Parses every answer with the contract, so that drift shows in tests instead of browsers. */
  checkResponses: boolean;
};

export type Needed = Permission | "public" | "signed_in";
