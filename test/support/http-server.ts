import { ROLE_PERMISSIONS, ROLES, type Permission, type Role } from "#contract/permissions.ts";
import { ROUTES, type RouteName } from "#contract/routes.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { Handled } from "#server/kernel/handle.ts";
import { newId } from "#server/kernel/ids.ts";
import { silentLog, type Log } from "#server/kernel/log.ts";
import type { AuditRecord } from "#server/kernel/ports.ts";
import type { McpEndpoint } from "#server/kernel/mcp-endpoint.ts";
import { createHttp, type AgentSocket, type Http, type HttpLimits } from "#server/http/index.ts";

type Run = Handled["run"];
export type TestHttpOptions = {
  /** What routes answer; the others answer nothing. */
  handlers?: Partial<Record<RouteName, Run>>;
  limits?: Partial<HttpLimits>;
  agentSocket?: AgentSocket<string>;
  mcpEndpoint?: McpEndpoint;
  webDir?: string;
  host?: string;
  log?: Log;
  checkResponses?: boolean;
};

export type TestHttp = Http & {
  /** Every denial that was recorded. */
  audited: AuditRecord[];
  /** Credentials that stop working. */
  revoked: Set<string>;
  /** Callers whose role is another one by now. */
  moved: Map<string, Role>;
};

const noAgents: AgentSocket<string> = { authenticate: async () => undefined, accept: () => {} };

const callerWith = (permissions: readonly Permission[], role: Role): Caller => ({
  tenantId: "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234",
  principalId: role,
  ref: `user:${role}`,
  name: role,
  kind: "user",
  role,
  permissions: new Set(permissions),
});

/** The real HTTP server around handlers of a test. `Bearer <role>` is a caller with that role; a cookie `auterity_session=owner` is a session. */
export async function testHttp(options: TestHttpOptions = {}): Promise<TestHttp> {
  const audited: AuditRecord[] = [];
  const revoked = new Set<string>();
  const moved = new Map<string, Role>();
  const callers = new Map<string, Caller>();
  for (const role of ROLES) {
    callers.set(role, callerWith(ROLE_PERMISSIONS[role], role));
  }
  const nothing: Run = () => undefined;
  const routes = Object.entries(ROUTES).map(([name, route]): Handled => {
    const own = Object.entries(options.handlers ?? {}).find(([each]) => each === name)?.[1];
    return { route, run: own ?? nothing };
  });
  const http = await createHttp({
    routes,
    access: {
      authenticate: async ({ authorization, cookie }) => {
        const name = authorization?.replace(/^Bearer /, "") ?? /auterity_session=(\w+)/.exec(cookie ?? "")?.[1] ?? "";
        const caller = revoked.has(name) ? undefined : callers.get(moved.get(name) ?? name);
        return caller && { ...caller, principalId: name };
      },
    },
    agentSocket: options.agentSocket ?? noAgents,
    mcpEndpoint: options.mcpEndpoint,
    webDir: options.webDir,
    log: options.log ?? silentLog,
    metrics: { answered: () => {} },
    redactor: { text: (text) => text.replaceAll("s3cret-value", "[redacted]"), json: (json) => json },
    audit: { record: async (_, entry) => void audited.push(entry) },
    database: {
      asTenant: (_, fn) => fn({ query: async () => [] }),
      asWorker: (fn) => fn({ query: async () => [] }),
      statement: async () => [],
    },
    host: options.host ?? "127.0.0.1",
    version: "0.0.0",
    newId,
    limits: options.limits ?? {},
    checkResponses: options.checkResponses ?? false,
  });
  return Object.assign(http, { audited, revoked, moved });
}
