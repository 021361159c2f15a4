import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CreateAgent } from "#contract/agents.ts";
import { assertBindAllowed, createAccess, isLoopbackHost, type Access } from "./access/index.ts";
import { createAgents, type Agents } from "./agents/index.ts";
import { createAudit } from "./audit/index.ts";
import { PROJECT_DIR, type Config } from "./config.ts";
import { createEgress } from "./egress/index.ts";
import type { RouteName } from "#contract/routes.ts";
import type { OutsideType } from "#engine/index.ts";
import { createHttp, type Http } from "./http/index.ts";
import type { Caller } from "./kernel/caller.ts";
import { isFinal } from "#contract/runs.ts";
import { AppError } from "./kernel/errors.ts";
import { newId } from "./kernel/ids.ts";
import type { Log } from "./kernel/log.ts";
import type { LiveBus } from "./kernel/ports.ts";
import type { StepExecutor } from "./kernel/step-executor.ts";
import type { Teardown } from "./kernel/teardown.ts";
import { createMcp, type McpDeps, scanDefinition, type Mcp } from "./mcp/index.ts";
import { createMessaging } from "./messaging/index.ts";
import type { Postgres } from "./postgres/index.ts";
import { openRedis } from "./redis/index.ts";
import { createHookAddresses, createRuns, type Executors, type Runs } from "./runs/index.ts";
import { createKeyring, createSecrets, deriveSecret, type TrackingRedactor } from "./secrets/index.ts";
import { openStorage } from "./storage.ts";
import { createLiveBus, createMetrics, startTracing, systemRoutes } from "./telemetry/index.ts";
import { createTriggers, type Triggers, type TriggersDeps } from "./triggers/index.ts";
import { createWorkflows } from "./workflows/index.ts";

export const VERSION: string = JSON.parse(readFileSync(join(PROJECT_DIR, "package.json"), "utf8")).version;

export type ComposeDeps = {
  config: Config;
  masterKey: Buffer;
  redactor: TrackingRedactor;
  log: Log;
  teardown: Teardown;
  onDatabaseLost: () => void;
};

export type Composed = {
  url: string;
  access: Access;
  /** Absent in a process that only drives runs: nobody signs in there. */
  owner: Caller | undefined;
  /** From now on `/readyz` says so, until the teardown begins. */
  ready: () => void;
};

/** What a process serves that only drives runs, beside the agents that it asks. */
const WORKER_ROUTES = ["healthz", "readyz", "metricsText"] as const satisfies readonly RouteName[];

/** Builds the platform and starts it, in order; everything started is on the teardown, so that a failure half-way leaves nothing. */
export async function compose(deps: ComposeDeps): Promise<Composed> {
  const { config, log, teardown } = deps;
  assertBindAllowed(config.host, { hasAccounts: config.bootstrapToken !== undefined });
  const postgres = await openStorage(deps);
  const base = await foundation(deps, postgres);
  let url = "";
  const publicUrl = (): string => config.publicUrl ?? url;
  const access = createAccess({ ...base, bootstrapToken: config.bootstrapToken, host: config.host, publicUrl });
  const isWorker = config.role === "worker";
  const owner = isWorker ? undefined : (await access.ensureDefaultWorkspace()).ownerCaller;
  const slices = await createSlices(deps, { ...base, postgres, publicUrl });
  let phase: "starting" | "ready" | "stopping" = "starting";
  const ping = async (): Promise<void> => {
    if (phase !== "ready") throw new AppError("unavailable", `The platform is ${phase}.`, { retryable: true });
    await postgres.ping();
  };
  const http = await createHttp({
    ...base,
    routes: [...access.routes, ...slices.routes, ...systemRoutes({ metrics: base.metrics, bus: base.live, version: VERSION, ping })],
    serves: isWorker ? WORKER_ROUTES : undefined,
    access,
    agentSocket: slices.agentSocket,
    ...(!isWorker && { mcpEndpoint: slices.mcpEndpoint }),
    webDir: join(PROJECT_DIR, "web", "dist"),
    metrics: base.metrics,
    host: config.host,
    ...(config.mcp.requestsPerMinute !== undefined && { limits: { mcpRequestsPerMinute: config.mcp.requestsPerMinute } }),
    checkResponses: config.checkResponses,
  });
  url = await listen(http, config, teardown);
  await slices.start();
  if (config.openai && owner) await registerOpenai(config.openai, { ...base, ...slices, owner });
  // Last on the teardown, so that whoever balances load hears of the stop before anything stops.
  teardown.add("readiness", () => void (phase = "stopping"));
  const ready = (): void => {
    phase = "ready";
    log.info("ready", { url, role: config.role, instance: base.instanceId });
  };
  return { url, access, owner, ready };
}

type Foundation = Awaited<ReturnType<typeof foundation>>;

/** What every slice needs: the database, and what is written beside each change. */
async function foundation(deps: ComposeDeps, { database }: Postgres) {
  const { config, masterKey, redactor, log, teardown } = deps;
  const now = (): Date => new Date();
  const metrics = createMetrics({ version: VERSION });
  const tracing = config.otel === undefined ? undefined : await startTracing({ ...config.otel, version: VERSION });
  if (tracing) teardown.add("traces", () => tracing.stop());
  const instanceId = newId();
  const local = createLiveBus(log);
  const redis = await joinOthers(deps, { instanceId, local });
  const trail = createAudit({ database, redactor, chainKey: deriveSecret(masterKey, "audit") });
  const { audit } = trail;
  const secrets = createSecrets({ database, keyring: createKeyring({ database, masterKey }), redactor, audit, newId });
  const guard = createEgress({ database, audit, log, now });
  teardown.add("egress sockets", () => guard.close());
  const messaging = createMessaging({
    database,
    redactor,
    codec: secrets.codec,
    log,
    newId,
    now,
    retentionDays: config.frameRetentionDays,
    registry: metrics.registry,
  });
  teardown.add("messages", () => messaging.stop(), LONG_PATIENCE_MS);
  await messaging.start();
  const routes = [...trail.routes, ...secrets.routes, ...guard.routes, ...messaging.routes];
  return {
    version: VERSION,
    database,
    audit,
    auditDrafts: trail.drafts,
    redactor,
    live: redis?.live ?? local,
    dispatch: redis?.dispatch,
    instanceId,
    log,
    newId,
    now,
    metrics,
    tracing,
    egress: guard.egress,
    routes,
    vault: secrets,
    secrets: secrets.reader,
    codec: secrets.codec,
    frames: messaging.frames,
    frameReader: messaging.reader,
  };
}

/** The way to the other processes of this installation, which have the same key; it must be closed last of what uses it. */
async function joinOthers(
  { config, masterKey, log, teardown }: ComposeDeps,
  { instanceId, local }: { instanceId: string; local: LiveBus },
) {
  if (config.redisUrl === undefined) return undefined;
  const installation = deriveSecret(masterKey, "redis").toString("hex").slice(0, 16);
  const redis = await openRedis({ url: config.redisUrl, installation, instanceId, local, log });
  teardown.add("redis", () => redis.close());
  return redis;
}

/** The four slices that do the platform's work, connected to each other only here. */
async function createSlices(
  { config, masterKey, teardown }: ComposeDeps,
  base: Foundation & { postgres: Postgres; publicUrl: () => string },
) {
  const drives = config.role !== "api";
  // What is approved by being registered is registered with an API; a worker alone knows nothing of how that one is reached.
  const ownerApproves = config.role !== "worker" && isLoopbackHost(config.host);
  const agents = createAgents({ ...base, ownerApproves, scan: scanDefinition });
  const leadership = config.databaseUrl === undefined ? undefined : base.postgres.leadership("mcpChecks");
  const mcp = createMcp({
    ...base,
    registry: base.metrics.registry,
    ...modelsOf(agents),
    dataDir: config.dataDir,
    ownerApproves,
    ...limitsOf(config),
    leadership,
    stateKey: deriveSecret(masterKey, "mcp-gateway"),
    conceal: (value) => base.redactor.track(value),
    ...sharing(config),
    toolsUsed: (server) => workflows.toolsUsed(server),
    workflowsUsing: (tool) => workflows.using(tool),
    secretsUsed: async (of) => new Set([...(await workflows.secretsUsed(of)), ...(await agents.secretsUsed(of))]),
    ...toRuns(() => runs),
  });
  const workflows = createWorkflows({
    ...base,
    judgeUses: (of) => mcp.judgeUses(of),
    countLiveRuns: (version) => runs.countLiveRuns(version),
    liveRuns: (of) => runs.liveRunsByVersion(of),
    namedVersions: (tenantId) => triggers.namedVersions(tenantId),
    toolPresets: mcp.toolPresets,
  });
  const hooks = createHookAddresses({ key: deriveSecret(masterKey, "hooks"), baseUrl: base.publicUrl });
  const runs = createRuns({
    ...base,
    hookUrlOf: (runId) => hooks.urlOf(runId),
    connectWorker: () => base.postgres.connectWorker(),
    // The embedded database has one platform: what the one before it held is taken over at once.
    ...(config.databaseUrl === undefined && { instanceId: "embedded" }),
    settings: { takeOverAtStart: config.databaseUrl === undefined, drainMs: config.drainMs },
    drives,
    plans: workflows,
    retentionDays: config.runRetentionDays,
    callsPerTenant: config.tenantConcurrency,
    executors: executorsOf(base, { agents, mcp }),
    observer: base.metrics.observer,
  });
  const stepHooks: TriggersDeps["stepHooks"] = { read: (id) => hooks.read(id), call: (call) => runs.callHook(call) };
  const triggers = createTriggers({ ...base, runs, workflows, ownerApproves, drives, stepHooks });
  return {
    agents,
    routes: [...base.routes, ...agents.routes, ...mcp.routes, ...workflows.routes, ...runs.routes, ...triggers.routes],
    mcpEndpoint: mcp.gateway,
    agentSocket: drives ? agents.agentSocket : { ...agents.agentSocket, authenticate: refuseAgents },
    start: () => startInOrder(teardown, config.drainMs, { agents, mcp, runs, triggers }),
  };
}

type Started = { agents: Agents; mcp: Mcp; runs: Runs; triggers: Triggers };

/** For what a stop has to say to the database: one that does not answer must not keep the processes of servers from ending. */
const PATIENCE_MS = 5_000;
/** For process trees, which end in their own time, and for all that waits to be written. */
const LONG_PATIENCE_MS = 15_000;

async function startInOrder(teardown: Teardown, drainMs: number, { agents, mcp, runs, triggers }: Started): Promise<void> {
  teardown.add("agents", () => agents.stop(), LONG_PATIENCE_MS);
  agents.start();
  teardown.add("MCP servers", () => mcp.stop(), LONG_PATIENCE_MS);
  await mcp.start();
  teardown.add("runs", () => runs.stop(), drainMs + PATIENCE_MS);
  await runs.start();
  teardown.add("triggers", () => triggers.stop(), PATIENCE_MS);
  triggers.start();
}

function executorsOf({ tracing }: Foundation, { agents, mcp }: { agents: Agents; mcp: Mcp }): Executors {
  const traced = (type: OutsideType, executor: StepExecutor): StepExecutor => tracing?.traced(type, executor) ?? executor;
  return {
    mcp_tool: traced("mcp_tool", mcp.executeTool),
    openai_model: traced("openai_model", agents.executeModel),
    custom_agent: traced("custom_agent", agents.executeCustom),
    a2a_agent: traced("a2a_agent", agents.executeA2a),
    agent: traced("agent", agents.executeAgent),
  };
}

/** What servers ask, and their settings name. */
const modelsOf = (agents: Agents): Pick<McpDeps, "askModel" | "findModel"> => ({
  askModel: (question) => agents.askModel(question),
  findModel: (of) => agents.findModel(of),
});

const toRuns = (runs: () => Runs): Pick<McpDeps, "resumeStep" | "isRunOver"> => ({
  resumeStep: (step) => runs().resumeStep({ ...step, code: "tool_changed" }),
  isRunOver: (tenantId, runId) => isOver(runs(), tenantId, runId),
});

/** A run that is not kept any more is over, too. */
async function isOver(runs: Runs, tenantId: string, runId: string): Promise<boolean> {
  try {
    return isFinal((await runs.getRun(tenantId, runId)).status);
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === "not_found") return true;
    throw thrown;
  }
}

/** What whoever runs the platform allows MCP servers. */
const limitsOf = ({ mcp: { commands, folders, tenantCalls } }: Config) => ({ launchPolicy: { commands, folders }, tenantCalls });

/** With a database of one's own there is nobody else; a process that drives no runs has few calls to make. */
const sharing = ({ databaseUrl, role }: Config) => ({ isShared: databaseUrl !== undefined, onDemand: role === "api" });

/** An agent that is connected here would never be asked anything. */
function refuseAgents(): never {
  throw new AppError("route_not_found", "Agents connect to the processes that drive runs; this one serves the API only.", {
    remedy: "Give the agent the addresses of all workers.",
  });
}

type Registering = Pick<Foundation, "vault"> & { agents: Agents; owner: Caller };

/** The provider that `OPENAI_API_KEY` stands for; its key lives in the vault like any other. */
async function registerOpenai({ apiKey, baseUrl }: NonNullable<Config["openai"]>, { vault, agents, owner }: Registering): Promise<void> {
  const environment = "production";
  const keySecret = "OPENAI_API_KEY";
  await vault.put(owner, { name: keySecret, environment, value: apiKey });
  const endpoint = { kind: "openai", baseUrl, keySecret, models: [] } as const;
  const agent = { name: "openai", title: "OpenAI", description: "Registered by OPENAI_API_KEY.", environment, endpoint } as const;
  await agents.ensureAgent({ tenantId: owner.tenantId, actor: "system", agent: CreateAgent.parse(agent) });
}

async function listen(http: Http, { host, port }: Config, teardown: Teardown): Promise<string> {
  const { address } = await http.listen({ host, port });
  teardown.add("http", () => http.close(), LONG_PATIENCE_MS);
  return address.replace(/\/$/, "");
}
