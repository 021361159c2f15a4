import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { WebSocketServer } from "ws";
import type { Json } from "#contract/common.ts";
import { ROLE_PERMISSIONS, type Role } from "#contract/permissions.ts";
import type { RouteResponse, RouteSpec } from "#contract/route.ts";
import type { LiveEvent } from "#contract/system.ts";
import { createAgents, type Agents, type AgentsDeps } from "#server/agents/index.ts";
import { createEgress } from "#server/egress/index.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { AuditRecord, Frame } from "#server/kernel/ports.ts";
import type { StepCall } from "#server/kernel/step-executor.ts";
import { scanDefinition } from "#server/mcp/index.ts";
import { createRedactor } from "#server/secrets/index.ts";
import type { TestDatabase } from "./postgres.ts";

export type TestAgents = {
  agents: Agents;
  tenantId: string;
  frames: Frame[];
  live: LiveEvent[];
  audited: AuditRecord[];
  /** The vault's values by name. */
  secrets: Map<string, string>;
  /** Where custom agents connect: a real server with the real upgrade. */
  url: string;
  call<R extends RouteSpec>(
    route: R,
    request?: { params?: unknown; query?: unknown; body?: unknown; role?: Role; signal?: AbortSignal },
  ): Promise<RouteResponse<R>>;
  /** The handler's own answer, before the response schema; for streams. */
  raw(route: RouteSpec, request: { body?: unknown; signal?: AbortSignal }): Promise<unknown>;
  /** Breaks every agent's connection, as a network does. */
  dropSockets(): void;
  step(input: Json, more?: Partial<StepCall>): StepCall;
  close(): Promise<void>;
};

/** The agents slice over a real database, egress guard and WebSocket server, for one tenant of its own. */
export async function testAgents(db: TestDatabase, options: Partial<AgentsDeps> = {}): Promise<TestAgents> {
  const tenantId = await db.secondTenant();
  const frames: Frame[] = [];
  const live: LiveEvent[] = [];
  const audited: AuditRecord[] = [];
  const secrets = new Map<string, string>();
  const audit = { record: async (_tx: unknown, entry: AuditRecord) => void audited.push(entry) };
  const guard = createEgress({ database: db.database, audit, log: silentLog, now: () => new Date() });
  const agents = createAgents({
    database: db.database,
    audit,
    egress: guard.egress,
    secrets: {
      read: async ({ name }) => {
        const value = secrets.get(name);
        if (value === undefined) throw new AppError("secret_missing", `There is no secret ${name}.`);
        return value;
      },
    },
    frames: { record: (frame) => void frames.push(frame) },
    redactor: createRedactor(),
    live: { publish: (_tenant, event) => void live.push(event), subscribe: () => () => {} },
    log: silentLog,
    newId,
    now: () => new Date(),
    ownerApproves: true,
    scan: scanDefinition,
    ...options,
  });
  const { server, sockets } = await socketServer(agents);
  agents.start();
  const address = server.address();
  const run = async (
    route: RouteSpec,
    { params, query, body, role = "owner", signal = new AbortController().signal }: Parameters<TestAgents["call"]>[1] = {},
  ) => {
    const handled = agents.routes.find((each) => each.route.name === route.name);
    if (!handled) throw new Error(`No handler for ${route.name}`);
    const request = {
      caller: callerOf(tenantId, role),
      requestId: "test",
      signal,
      params: route.params?.parse(params),
      query: route.query?.parse(query ?? {}),
      headers: undefined,
      body: route.body?.parse(body),
    };
    return handled.run(request);
  };
  return {
    agents,
    tenantId,
    frames,
    live,
    audited,
    secrets,
    url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    call: async (route, request) => route.response.parse(await run(route, request)) as never,
    raw: (route, request) => run(route, request),
    dropSockets: () => {
      for (const socket of sockets.clients) socket.terminate();
    },
    step: (input, more) => ({
      tenantId,
      environment: "production",
      initiator: "user:1",
      depth: 0,
      step: { runId: newId(), scope: "", nodeId: "node", attempt: 1 },
      input,
      key: newId(),
      effect: "none",
      timeoutMs: 20_000,
      signal: new AbortController().signal,
      saveHandle: async () => {},
      ...more,
    }),
    close: async () => {
      await agents.stop();
      server.closeAllConnections();
      server.close();
      await guard.close();
    },
  };
}

async function socketServer(agents: Agents): Promise<{ server: Server; sockets: WebSocketServer }> {
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer().listen(0, "127.0.0.1");
  server.on("upgrade", async (request: IncomingMessage, socket, head) => {
    const principal = await agents.agentSocket.authenticate((request.headers.authorization ?? "").replace(/^Bearer /, ""));
    if (!principal) return socket.end("HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    return sockets.handleUpgrade(request, socket, head, (ws) => agents.agentSocket.accept(ws, principal));
  });
  await once(server, "listening");
  return { server, sockets };
}

const callerOf = (tenantId: string, role: Role): Caller => ({
  tenantId,
  principalId: newId(),
  ref: "user:test",
  name: "Test",
  kind: "user",
  role,
  permissions: new Set(ROLE_PERMISSIONS[role]),
});

/** Resolves once `check` holds; polls, because what is waited for comes from other processes or sockets. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** A port of this machine on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}

/** What a promise fails with; for failures that come while the test does other things. */
export const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => ({ succeeded: value }),
    (error: unknown) => error,
  );
