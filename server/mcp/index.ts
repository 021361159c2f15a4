import { dirname } from "node:path";
import type { McpServer } from "#contract/mcp/servers.ts";
import type { Handled } from "#server/kernel/handle.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Audit, Database, Egress, FrameSink, LiveBus, Redactor, SecretReader } from "#server/kernel/ports.ts";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import { createExecuteTool } from "./calls/execute-tool.ts";
import { createFollower } from "./registration/follow-servers.ts";
import { createAllowTool, createCallTool, createInvokeTool } from "./calls/invoke-tool.ts";
import { logUseCases } from "./logs/read-logs.ts";
import { serverUseCases } from "./registration/manage-servers.ts";
import type { ServerSpec } from "./registration/register-server.ts";
import { mcpRoutes } from "./routes.ts";
import { createSupervision } from "./supervision/supervision.ts";
import { TIMINGS, type Timings } from "./supervision/timings.ts";
import { toolUseCases } from "./calls/use-tools.ts";

export type McpDeps = {
  database: Database;
  audit: Audit;
  egress: Egress;
  secrets: SecretReader;
  frames: FrameSink;
  live: LiveBus;
  log: Log;
  newId: () => string;
  now: () => Date;
  /** Of this start of the platform: processes of those on this machine that have died are ended. */
  instanceId: string;
  /** Absolute. Servers without a folder of their own run below it. */
  dataDir: string;
  /** A loopback install: the owner's own registration is the approval. Elsewhere maker and checker differ. */
  ownerApproves: boolean;
  redactor: Redactor;
  /** Other processes run the same servers, each with connections of its own. */
  isShared?: boolean;
  /** Servers start when somebody asks something of them here, not with the platform: for a process that drives no runs. */
  onDemand?: boolean;
  /** The PATH in which servers find commands; by default Node's folder and the system's. */
  path?: string;
  /** Told to servers as the client's version. */
  version?: string;
  random?: () => number;
  timings?: Partial<Timings>;
};

export type Mcp = {
  routes: Handled[];
  executeTool: StepExecutor;
  /** Registers the server or gives it this launch, and starts it. Resolves with its state when the first attempt is over. */
  ensureServer(spec: ServerSpec): Promise<McpServer>;
  /** Resolves when all servers are known; orphans are ended and servers started without being waited for. */
  start(): Promise<void>;
  /** Ends all process trees. A second call joins the first. */
  stop(): Promise<void>;
};
export type { ServerSpec } from "./registration/register-server.ts";
export type { Timings } from "./supervision/timings.ts";

export function createMcp(deps: McpDeps): Mcp {
  const { database, audit } = deps;
  const timings = { ...TIMINGS, ...deps.timings };
  const path = deps.path ?? `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  const { isShared = false, onDemand = false } = deps;
  const { supervisor, logs, inspect } = createSupervision({
    ...deps,
    isShared,
    onDemand,
    path,
    timings,
    version: deps.version ?? "0.1.0",
    random: deps.random ?? Math.random,
  });
  const allow = createAllowTool({ database, audit });
  const invoke = createInvokeTool(createCallTool(allow));
  const shared = { ...deps, supervisor, inspect };
  const servers = serverUseCases(shared);
  const follower = isShared ? createFollower({ ...deps, supervisor, onDemand, everyMs: timings.followMs }) : undefined;
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await follower?.stop();
    try {
      await supervisor.stop();
    } finally {
      await logs.flush();
    }
  };
  return {
    routes: mcpRoutes({ servers, tools: toolUseCases({ ...shared, invoke }), logs: logUseCases({ database, logs }) }),
    executeTool: createExecuteTool({ supervisor, allow, invoke, firstListMs: timings.firstListMs }),
    ensureServer: (spec) => servers.ensure(spec),
    start: async () => {
      await supervisor.start();
      follower?.start();
    },
    stop: () => (stopping ??= stop()),
  };
}
