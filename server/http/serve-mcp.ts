import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Permission } from "#contract/permissions.ts";
import type { AppError } from "#server/kernel/errors.ts";
import { NOBODY, type Doorkeeper } from "./doorkeeper.ts";
import type { McpEndpoint } from "#server/kernel/mcp-endpoint.ts";
import type { Authentication, HttpLimits } from "./ports.ts";
import { errorOf, problemOf } from "./problem.ts";
import { requestBudget } from "./request-budget.ts";

const PATHS = ["/mcp", "/mcp/servers/:name"] as const;
const METHODS = ["POST", "GET", "DELETE"] as const;

/** What exists below `/mcp`, for answers about what does not. */
export const MCP_ROUTES = PATHS.flatMap((path) => METHODS.map((method) => ({ path, method, stream: "sse" as const })));

type Serving = { doorkeeper: Doorkeeper; limits: HttpLimits; access: Authentication };

/**
 * The Model Context Protocol. Hand-written, as one path carries many methods of a protocol of its own, whose answers are
 * documents or event streams as the call turns out; what is refused here is refused in JSON-RPC. Everything that holds
 * for other routes holds here too: addresses, bodies, budgets and permissions are checked before the endpoint sees a request.
 */
export function serveMcp(app: FastifyInstance, endpoint: McpEndpoint, { doorkeeper, limits, access }: Serving): void {
  const spend = requestBudget(limits.mcpRequestsPerMinute);
  const enter = doorkeeper.guard("tool:read");
  for (const url of PATHS) {
    app.route<{ Params: { name?: string } }>({
      method: [...METHODS],
      url,
      exposeHeadRoute: false,
      config: { routeName: "mcp" },
      errorHandler: refuse,
      preParsing: async (request, reply, payload) => {
        await enter.call(app, request, reply, payload);
        spend(callerOf(request).principalId, performance.now());
      },
      handler: async (request, reply) => {
        reply.hijack();
        await answer(request, reply);
      },
    });
  }

  type Asking = FastifyRequest<{ Params: { name?: string } }>;
  async function answer(request: Asking, reply: FastifyReply): Promise<void> {
    const { params, url, method, headers, body } = request;
    const { authorization, cookie } = headers;
    const caller = callerOf(request);
    const need = (needed: Permission): Promise<void> => doorkeeper.need(request, needed);
    const mayGoOn = async (): Promise<boolean> =>
      (await access.authenticate({ authorization, cookie }))?.principalId === caller.principalId;
    try {
      const asked = { caller, server: params.name, url, method, headers, body, need, mayGoOn };
      await endpoint.serve(asked, { raw: reply.raw, headers: plain(reply) });
    } catch (thrown) {
      if (reply.raw.headersSent) return void reply.raw.destroy();
      const refused = refusal(errorOf(thrown), request.id);
      reply.raw.writeHead(refused.status, { ...plain(reply), ...refused.headers }).end(refused.text);
    }
  }
}

const callerOf = (request: FastifyRequest) => request.caller ?? NOBODY;

/** The headers that hold for every answer. */
function plain(reply: FastifyReply): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(reply.getHeaders())) headers[name] = String(value);
  return headers;
}

function refuse(thrown: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, headers, text } = refusal(errorOf(thrown), request.id);
  return reply.code(status).headers(headers).send(text);
}

const RETRY_AFTER_S = "5";

/** JSON-RPC's numbers for what never became a call. Everything else is the server's own -32000. */
const NUMBERS: Readonly<Record<string, readonly [status: number, code: number]>> = {
  body_malformed: [400, -32700],
  request_invalid: [400, -32600],
  body_too_deep: [400, -32600],
};

function refusal(error: AppError, requestId: string): { status: number; headers: Record<string, string>; text: string } {
  const problem = problemOf(error, requestId);
  const [status, code] = NUMBERS[error.code] ?? [problem.status, -32000];
  const answer = { jsonrpc: "2.0", id: null, error: { code, message: problem.detail, data: problem } };
  return {
    status,
    headers: {
      "content-type": "application/json; charset=utf-8",
      ...(status === 401 && { "www-authenticate": "Bearer" }),
      ...(status === 429 && { "retry-after": RETRY_AFTER_S }),
    },
    text: JSON.stringify(answer),
  };
}
