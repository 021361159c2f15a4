import { isInitializeRequest } from "@modelcontextprotocol/server";
import { AppError } from "#server/kernel/errors.ts";
import type { ListName } from "../connection/connection.ts";
import type { ServeClient } from "./clients.ts";
import { unacceptable } from "./era.ts";
import type { McpAnswer, McpRequest } from "#server/kernel/mcp-endpoint.ts";
import { sendJson, sendNothing } from "./exchange.ts";
import type { Endpoint } from "./identity.ts";
import type { Incoming } from "./messages.ts";
import { SessionTransport } from "./session-transport.ts";
import { createSessions, type Session } from "./sessions.ts";

type Deps = { serveClient: ServeClient; newId: () => string; idleMs: number };

/** The 2025 era: a client opens a session, which is its own and lives at one endpoint. */
export type Stateful = {
  post(endpoint: Endpoint, request: McpRequest, posted: { incoming: Incoming; answer: McpAnswer }): Promise<void>;
  /** A stream for what belongs to no request. */
  listen(endpoint: Endpoint, request: McpRequest, answer: McpAnswer): void;
  end(endpoint: Endpoint, request: McpRequest, answer: McpAnswer): Promise<void>;
  /** Ends what may not go on and what has been quiet for too long. */
  look(): Promise<void>;
  /** Tells the sessions at this endpoint. */
  changed(key: string, list: ListName): void;
  isEmpty(): boolean;
  /** Keeps quiet connections open. */
  beat(): void;
  close(): Promise<void>;
};

export function createStateful({ serveClient, newId, idleMs }: Deps): Stateful {
  const sessions = createSessions(idleMs);
  let isClosed = false;
  const open = async (endpoint: Endpoint, { caller, mayGoOn }: McpRequest): Promise<Session> => {
    if (isClosed) throw stopping();
    const id = newId();
    const served = serveClient(endpoint, caller, id);
    const transport = new SessionTransport(id, served);
    const session = { id, principalId: caller.principalId, endpoint, transport, served, mayGoOn, usedAt: performance.now() };
    sessions.add(session);
    await served.mcp.connect(transport);
    return session;
  };
  const find = (endpoint: Endpoint, { caller, headers, mayGoOn }: McpRequest): Session => {
    const id = headers["mcp-session-id"];
    if (typeof id !== "string") throw new AppError("request_malformed", "Expected an `Mcp-Session-Id` header.", { remedy: INITIALIZE });
    const session = sessions.find(id, { principalId: caller.principalId, endpoint: endpoint.key });
    if (session === undefined) throw new AppError("not_found", "There is no such session, or it has ended.", { remedy: INITIALIZE });
    session.usedAt = performance.now();
    session.mayGoOn = mayGoOn;
    return session;
  };
  return {
    async post(endpoint, request, { incoming, answer }) {
      if (!isAcceptable(request, answer)) return;
      const isFirst = incoming.kind === "request" && incoming.message.method === "initialize";
      if (isFirst && !isInitializeRequest(incoming.message)) return refuse(answer, 400, { why: INITIALIZE_NEEDS, id: incoming.message.id });
      const session = isFirst ? await open(endpoint, request) : find(endpoint, request);
      receive(session, incoming, withSession(answer, session));
    },
    listen(endpoint, request, answer) {
      if (!isAcceptable(request, answer)) return;
      const session = find(endpoint, request);
      session.transport.listen(withSession(answer, session));
    },
    async end(endpoint, request, answer) {
      await sessions.end(find(endpoint, request));
      sendNothing(answer, 204);
    },
    look: () => sessions.look(performance.now()),
    isEmpty: () => sessions.all().length === 0,
    changed(key, list) {
      for (const session of sessions.all()) if (session.endpoint.key === key) tell(session, list);
    },
    beat() {
      for (const { transport } of sessions.all()) transport.beat();
    },
    async close() {
      isClosed = true;
      await Promise.all(sessions.all().map((session) => sessions.end(session)));
    },
  };
}

/** Only of what the endpoint has: of all else the SDK refuses to speak, by a promise that `McpServer` leaves alone. */
function tell({ endpoint, served }: Session, list: ListName): void {
  if (endpoint.capabilities[list] === undefined) return;
  const { server } = served.mcp;
  const told = {
    tools: () => server.sendToolListChanged(),
    resources: () => server.sendResourceListChanged(),
    prompts: () => server.sendPromptListChanged(),
  };
  void told[list]().catch(() => {});
}

const INITIALIZE_NEEDS = "expected `initialize` to say its `protocolVersion`, `capabilities` and `clientInfo`";
const INITIALIZE = "Begin with `initialize`.";

const withSession = (answer: McpAnswer, { id }: Session): McpAnswer => ({
  ...answer,
  headers: { ...answer.headers, "mcp-session-id": id },
});

function isAcceptable(request: McpRequest, answer: McpAnswer): boolean {
  const why = unacceptable(request);
  if (why !== undefined) refuse(answer, 406, { why, id: null });
  return why === undefined;
}

function receive({ transport }: Session, incoming: Incoming, answer: McpAnswer): void {
  if (incoming.kind === "request" && transport.isOpen(incoming.message.id)) {
    return refuse(answer, 400, { why: "a request with this id is still under way", id: incoming.message.id });
  }
  transport.receive(incoming, answer);
  if (incoming.kind !== "request") sendNothing(answer, 202);
}

export const stopping = (): AppError => new AppError("unavailable", "The platform is stopping.");

export const refuse = (answer: McpAnswer, status: 400 | 406, { why, id }: { why: string; id: string | number | null }): void =>
  sendJson(answer, status, { jsonrpc: "2.0", id, error: { code: -32600, message: `Invalid request: ${why}.` } });
