import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import type { JournalEvent } from "#contract/journal.ts";
import { getRunJournal, isFinal, startRun, type Run, type RunStatus } from "#contract/runs.ts";
import { createAudit } from "#server/audit/index.ts";
import { createEgress } from "#server/egress/index.ts";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { Frame } from "#server/kernel/ports.ts";
import type { StepCall, StepExecutor } from "#server/kernel/step-executor.ts";
import { createRuns, type Executors, type Runs, type RunsDeps } from "#server/runs/index.ts";
import { createKeyring, createRedactor, createSecrets, type TrackingRedactor } from "#server/secrets/index.ts";
import { createLiveBus } from "#server/telemetry/index.ts";
import { createWorkflows, type Workflows } from "#server/workflows/index.ts";
import { callRoute, ownerOf } from "./call-route.ts";
import type { TestDatabase } from "./postgres.ts";

/** What the outside does in a test. `calls` has every call made, in order. */
export class Outside {
  readonly calls: StepCall[] = [];
  answer: (call: StepCall) => Promise<Json> = (call) => Promise.resolve({ echoed: call.input });
  prepared: Awaited<ReturnType<StepExecutor["prepare"]>> = {};

  readonly executor: StepExecutor = {
    prepare: () => Promise.resolve(this.prepared),
    run: (call) => {
      this.calls.push(call);
      return this.answer(call);
    },
  };

  get executors(): Executors {
    return {
      mcp_tool: this.executor,
      openai_model: this.executor,
      custom_agent: this.executor,
      a2a_agent: this.executor,
      agent: this.executor,
    };
  }

  callsOf(nodeId: string): StepCall[] {
    return this.calls.filter(({ step }) => step.nodeId === nodeId);
  }
}

/** What several processes on one database share in a test. */
export type Platform = {
  readonly db: TestDatabase;
  readonly workflows: Workflows;
  readonly redactor: TrackingRedactor;
  /** What the steps of its processes have exchanged. */
  readonly frames: Frame[];
  putSecret(name: string, value: string): Promise<void>;
  readonly base: Omit<RunsDeps, "executors" | "instanceId" | "connectWorker">;
};

/** Publishing counts runs only in the whole platform. */
const NO_LIVE_RUNS = { compatible: 0, needsMapping: 0, mustFinish: 0, hasMore: false };

export function createPlatform(db: TestDatabase): Platform {
  const { database } = db;
  const redactor = createRedactor();
  const keyring = createKeyring({ database, masterKey: randomBytes(32) });
  const { audit, drafts: auditDrafts } = createAudit({ database, redactor, chainKey: keyring.deriveSecret("audit") });
  const secrets = createSecrets({ database, keyring, redactor, audit, newId });
  const live = createLiveBus(silentLog);
  const frames: Frame[] = [];
  const workflows = createWorkflows({
    database,
    audit,
    live,
    newId,
    judgeUses: ({ uses }) => Promise.resolve(uses.map(() => [])),
    countLiveRuns: () => Promise.resolve(NO_LIVE_RUNS),
    namedVersions: () => Promise.resolve([]),
    liveRuns: () => Promise.resolve([]),
    toolPresets: () => Promise.resolve({ items: [], nextCursor: null }),
  });
  return {
    db,
    workflows,
    redactor,
    frames,
    putSecret: async (name, value) => void (await secrets.put(ownerOf(db.tenantId), { name, environment: "production", value })),
    base: {
      database,
      audit,
      auditDrafts,
      redactor,
      codec: secrets.codec,
      secrets: secrets.reader,
      egress: createEgress({ database, audit, log: silentLog, now: () => new Date() }).egress,
      frames: { record: (frame) => void frames.push(frame) },
      live,
      log: silentLog,
      newId,
      now: () => new Date(),
      plans: workflows,
      hookUrlOf: (id) => `http://127.0.0.1/hooks/${id}`,
    },
  };
}

type ProcessOptions = Partial<RunsDeps> & { connectWorker?: () => Promise<pg.Client> };

/** One process that starts and drives runs. Every process made in a test must be stopped by it. */
export function createProcess(platform: Platform, outside: Outside, options: ProcessOptions = {}): Runs {
  const { db, base } = platform;
  const settings = { pollMs: 25, leaseMs: 2_000, keepMs: 50, drainMs: 50, ...options.settings };
  const deps: RunsDeps = {
    ...base,
    executors: outside.executors,
    instanceId: newId(),
    connectWorker: () => db.connectWorker(),
    ...options,
    settings,
  };
  return createRuns(deps);
}

export async function saveWorkflow({ workflows, db }: Platform, definition: DefinitionInput, tenantId = db.tenantId): Promise<string> {
  const json: Json = JSON.parse(JSON.stringify(definition));
  const { id } = await workflows.save({ tenantId, actor: "user:owner", name: `${definition.name} ${newId()}`, definition: json });
  return id;
}

export function startOf(runs: Runs, tenantId: string, workflowId: string): (input?: Json) => Promise<Run> {
  return (input = {}) => callRoute(runs.routes, startRun, { caller: ownerOf(tenantId), params: { id: workflowId }, body: { input } });
}

/** Waits until the run is as it should be; the test's own timeout ends a wait in vain. */
export async function runWhen(runs: Runs, run: { id: string; tenantId: string }, isReady: (run: Run) => boolean): Promise<Run> {
  for (;;) {
    const now = await runs.getRun(run.tenantId, run.id);
    if (isReady(now)) return now;
    await pause(5);
  }
}
export const isOver = ({ status }: { status: RunStatus }): boolean => isFinal(status);

export async function journalOf(runs: Runs, tenantId: string, runId: string): Promise<JournalEvent[]> {
  const page = await callRoute(runs.routes, getRunJournal, { caller: ownerOf(tenantId), params: { id: runId }, query: { limit: 1_000 } });
  return page.items;
}

type NodeInput = DefinitionInput["nodes"][number];

/** A definition out of nodes and edges written `source>target` or `source:handle>target`. */
export function definition(nodes: readonly NodeInput[], edges: readonly string[], more: Partial<DefinitionInput> = {}): DefinitionInput {
  return {
    version: 2,
    name: "Test",
    nodes: [{ id: "start", type: "start" }, ...nodes],
    edges: edges.map((edge) => {
      const [from = "", target = ""] = edge.split(">");
      const [source = "", sourceHandle] = from.split(":");
      return { id: edge, source, target, ...(sourceHandle === undefined ? {} : { sourceHandle }) };
    }),
    ...more,
  };
}

export const endNode = (output?: Json): NodeInput => ({ id: "end", type: "end", data: output === undefined ? {} : { output } });
export const transform = (id: string, output: Json, more: { parentId?: string; policy?: NodeInput["policy"] } = {}): NodeInput => ({
  id,
  type: "transform",
  data: { output },
  ...more,
});
export const tool = (
  id: string,
  policy: NodeInput["policy"] = {},
  more: { parentId?: string; arguments?: Record<string, Json> } = {},
): NodeInput => {
  const { arguments: args = {}, ...rest } = more;
  return { id, type: "mcp_tool", data: { server: "files", tool: id, arguments: args }, policy, ...rest };
};
