import fastifyWebsocket from "@fastify/websocket";
import type { FastifyInstance } from "fastify";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import type { AgentSocket } from "./ports.ts";

const PATH = "/ws/agents";
const PROTOCOL_ERROR = 1002;

declare module "fastify" {
  interface FastifyRequest {
    /** Takes the socket over; set once the agent has shown its token. */
    acceptAgent: ((socket: Parameters<AgentSocket<unknown>["accept"]>[0]) => void) | null;
  }
}

/** Must come before every hook: a refused upgrade's socket is ended only if the plugin has seen the request first. */
export async function addWebSockets(app: FastifyInstance, log: Log): Promise<void> {
  await app.register(fastifyWebsocket, {
    options: { maxPayload: LIMITS.socketMessageBytes, perMessageDeflate: false },
    errorHandler: (error, socket) => {
      log.warn("an agent's socket failed", { error });
      socket.close(PROTOCOL_ERROR);
    },
  });
}

/**
 * `/ws/agents`. Hand-written, as a socket is not a request with an answer. The token is checked before the upgrade, so that
 * a wrong one is an ordinary 401; it is read from the header only, because addresses end up in logs.
 */
export function serveAgents<Agent>(app: FastifyInstance, agents: AgentSocket<Agent>): void {
  app.decorateRequest("acceptAgent", null);
  app.route({
    method: "GET",
    url: PATH,
    websocket: true,
    preParsing: async (request) => {
      if (!request.ws) throw new AppError("request_invalid", "This path is for WebSocket upgrades.");
      const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
      const agent = token === undefined ? undefined : await agents.authenticate(token);
      if (agent === undefined) throw new AppError("unauthenticated", "This needs an agent's token.", { remedy: REMEDY });
      request.acceptAgent = (socket) => agents.accept(socket, agent);
    },
    handler: (socket, request) => request.acceptAgent?.(socket),
  });
}

const REMEDY = "Send `authorization: Bearer <token>` with the token that registering the agent answered.";
