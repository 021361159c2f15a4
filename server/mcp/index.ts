import { dirname } from "node:path";
import type { Mcp, McpDeps } from "./deps.ts";
import { createExecuteTool } from "./calls/execute-tool.ts";
import { installedIn } from "./registration/executable.ts";
import { createFollower } from "./registration/follow-servers.ts";
import { createAllowTool, createCallTool, createInvokeTool } from "./calls/invoke-tool.ts";
import { logUseCases } from "./logs/read-logs.ts";
import { createGateway } from "./gateway/gateway.ts";
import { serverUseCases } from "./registration/manage-servers.ts";
import { mcpRoutes } from "./routes.ts";
import { createSampler } from "./protocol/sample.ts";
import { createSupervision } from "./supervision/supervision.ts";
import { TIMINGS } from "./supervision/timings.ts";
import { toolUseCases } from "./calls/use-tools.ts";

export type { Mcp, McpDeps } from "./deps.ts";

export function createMcp(deps: McpDeps): Mcp {
  const { database, audit } = deps;
  const timings = { ...TIMINGS, ...deps.timings };
  const path = deps.path ?? `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  const { isShared = false, onDemand = false } = deps;
  const version = deps.version ?? "0.1.0";
  const { supervisor, logs, inspect } = createSupervision({
    ...deps,
    isShared,
    onDemand,
    leads: () => deps.leadership?.leads() ?? true,
    path,
    timings,
    version,
    random: deps.random ?? Math.random,
    sample: createSampler({ ...deps, askModel: deps.askModel }),
  });
  const allow = createAllowTool({ database, audit });
  const call = createCallTool(allow);
  const invoke = createInvokeTool(call);
  const shared = { ...deps, supervisor, inspect, isInstalled: installedIn({ path, cwd: deps.dataDir }) };
  const servers = serverUseCases(shared);
  const follower = isShared ? createFollower({ ...deps, supervisor, onDemand, everyMs: timings.followMs }) : undefined;
  const gateway = createGateway({ ...deps, supervisor, call, version, timings });
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await follower?.stop();
    await gateway.close();
    await deps.leadership?.stop();
    try {
      await supervisor.stop();
    } finally {
      await logs.flush();
    }
  };
  return {
    routes: mcpRoutes({ servers, tools: toolUseCases({ ...shared, invoke }), logs: logUseCases({ database, logs }) }),
    gateway,
    executeTool: createExecuteTool({ supervisor, allow, invoke, firstListMs: timings.firstListMs }),
    ensureServer: (spec) => servers.ensure(spec),
    start: async () => {
      if (!onDemand) deps.leadership?.start();
      await supervisor.start();
      follower?.start();
    },
    stop: () => (stopping ??= stop()),
  };
}
