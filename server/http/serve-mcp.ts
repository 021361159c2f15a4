import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Permission } from "#contract/permissions.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { AppError } from "#server/kernel/errors.ts";
import type { ErrorAnswers } from "./answer-errors.ts";
import { NOBODY, type Doorkeeper } from "./doorkeeper.ts";
import type { McpEndpoint } from "#server/kernel/mcp-endpoint.ts";
import type { Authentication, Credentials, HttpLimits } from "./ports.ts";
import { requestBudget } from "./request-budget.ts";

const PATHS = ["/mcp", "/mcp/servers/:name"] as const;
const METHODS = ["POST", "GET", "DELETE"] as const;

/** What exists below `/mcp`, for answers about what does not. */
export const MCP_ROUTES = PATHS.flatMap((path) => METHODS.map((method) => ({ path, method, stream: "sse" as const })));

type Serving = { doorkeeper: Doorkeeper; limits: HttpLimits; access: Authentication; errors: ErrorAnswers };

/**
 * The Model Context Protocol. Hand-written, as one path carries many methods of a protocol of its own, whose answers are
 * documents or event streams as the call turns out; what is refused here is refused in JSON-RPC. Everything that holds
 * for other routes holds here too: addresses, bodies, budgets and permissions are checked before the endpoint sees a request.
 */
export function serveMcp(app: FastifyInstance, endpoint: McpEndpoint, { doorkeeper, limits, access, errors }: Serving): void {
  const refusalOf = (thrown: unknown, request: FastifyRequest): Refusal => {
    const error = errors.read(thrown, request);
    return refusal(error, errors.problem(error, request));
  };
  const spend = requestBudget(limits.mcpRequestsPerMinute, "caller");
  const enter = doorkeeper.guard("tool:read");
  for (const url of PATHS) {
    app.route<{ Params: { name?: string } }>({
      method: [...METHODS],
      url,
      exposeHeadRoute: false,
      config: { routeName: "mcp" },
      errorHandler: (thrown, request, reply) => {
        const { status, headers, text } = refusalOf(thrown, request);
        return reply.code(status).headers(headers).send(text);
      },
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
    const caller = callerOf(request);
    const needed: Permission[] = ["tool:read"];
    const need = async (permission: Permission): Promise<void> => {
      await doorkeeper.need(request, permission);
      needed.push(permission);
    };
    const mayGoOn = goesOn(access, { authorization: headers.authorization, cookie: headers.cookie }, { caller, needed });
    try {
      const asked = { caller, server: params.name, url, method, headers, body, need, mayGoOn };
      await endpoint.serve(asked, { raw: reply.raw, headers: plain(reply) });
    } catch (thrown) {
      const refused = refusalOf(thrown, request);
      if (reply.raw.headersSent) return void reply.raw.destroy();
      reply.raw.writeHead(refused.status, { ...plain(reply), ...refused.headers }).end(refused.text);
    }
  }
}

type Shown = { caller: Caller; needed: readonly Permission[] };

/** Not made where the request is: whoever keeps this for long would keep the whole request with it. */
function goesOn(access: Authentication, credentials: Credentials, { caller, needed }: Shown): () => Promise<boolean> {
  return async () => {
    const now = await access.authenticate(credentials);
    return now?.principalId === caller.principalId && needed.every((permission) => now.permissions.has(permission));
  };
}

const callerOf = (request: FastifyRequest) => request.caller ?? NOBODY;

/** The headers that hold for every answer. */
function plain(reply: FastifyReply): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(reply.getHeaders())) headers[name] = String(value);
  return headers;
}

const RETRY_AFTER_S = "5";

/** JSON-RPC's numbers for what never became a call. Everything else is the server's own -32000. */
const NUMBERS: Readonly<Record<string, readonly [status: number, code: number]>> = {
  body_malformed: [400, -32700],
  request_invalid: [400, -32600],
  body_too_deep: [400, -32600],
};

type Refusal = { status: number; headers: Record<string, string>; text: string };

function refusal(error: AppError, problem: ReturnType<ErrorAnswers["problem"]>): Refusal {
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
