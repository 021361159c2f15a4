import { randomBytes } from "node:crypto";
import type { DefinitionInput } from "#contract/definition.ts";
import type { Json } from "#contract/common.ts";
import { createAudit } from "#server/audit/index.ts";
import { createEgress } from "#server/egress/index.ts";
import { AppError } from "#server/kernel/errors.ts";
import { keepShortLivedYoung } from "#server/kernel/heap.ts";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { LiveBus } from "#server/kernel/ports.ts";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import { connect } from "#server/postgres/connection.ts";
import { openPostgres, type Postgres } from "#server/postgres/index.ts";
import { createRuns, type Executors, type Runs } from "#server/runs/index.ts";
import { createKeyring, createRedactor, createSecrets } from "#server/secrets/index.ts";
import { createLiveBus, createMetrics } from "#server/telemetry/index.ts";
import { createWorkflows, type Workflows } from "#server/workflows/index.ts";

/** The platform's own parts, put together as in `server/compose.ts` but without HTTP, agents and MCP servers. */
export type BenchPlatform = {
  readonly runs: Runs;
  readonly workflows: Workflows;
  readonly live: LiveBus;
  readonly tenantId: string;
  readonly postgres: Postgres;
  close(): Promise<void>;
};

const noCalls: StepExecutor = {
  prepare: () => Promise.resolve({}),
  run: () => Promise.reject(new AppError("internal", "The benchmark calls nothing.")),
};
export const rolePassword = (role: string): string => `bench-${role}`;

/** `url`: a login that may create roles, on a database that the benchmark may fill. */
export async function openPlatform(url: string, executors: Partial<Executors> = {}): Promise<BenchPlatform> {
  keepShortLivedYoung();
  const postgres = await openPostgres({ ownerUrl: url, rolePassword, log: silentLog });
  const { database } = postgres;
  const tenantId = newId();
  const owner = await connect(url);
  await owner.query("insert into tenants (id, name) values ($1, $2)", [tenantId, `Bench ${tenantId}`]);
  await owner.end();
  const redactor = createRedactor();
  redactor.track(randomBytes(24).toString("base64url"));
  const keyring = createKeyring({ database, masterKey: randomBytes(32) });
  const { audit, drafts: auditDrafts } = createAudit({ database, redactor, chainKey: keyring.deriveSecret("audit") });
  const { codec, reader: secrets } = createSecrets({ database, keyring, redactor, audit, newId });
  const live = createLiveBus(silentLog);
  const guard = createEgress({ database, audit, log: silentLog, now: () => new Date() });
  const workflows = createWorkflows({
    database,
    audit,
    live,
    newId,
    judgeUses: async ({ uses }) => uses.map(() => []),
    countLiveRuns: (version) => runs.countLiveRuns(version),
    liveRuns: (of) => runs.liveRunsByVersion(of),
    namedVersions: () => Promise.resolve([]),
    toolPresets: () => Promise.resolve({ items: [], nextCursor: null }),
  });
  const none = { mcp_tool: noCalls, openai_model: noCalls, custom_agent: noCalls, a2a_agent: noCalls, agent: noCalls };
  const runs = createRuns({
    database,
    connectWorker: () => postgres.connectWorker(),
    hookUrlOf: (id) => id,
    audit,
    auditDrafts,
    redactor,
    codec,
    live,
    log: silentLog,
    newId,
    now: () => new Date(),
    egress: guard.egress,
    secrets,
    frames: { record: () => {} },
    plans: workflows,
    executors: { ...none, ...executors },
    instanceId: newId(),
    observer: createMetrics({ version: "bench" }).observer,
  });
  await runs.start();
  return {
    runs,
    workflows,
    live,
    tenantId,
    postgres,
    close: async () => {
      await runs.stop();
      await postgres.close();
    },
  };
}

export async function saveDefinition({ workflows, tenantId }: BenchPlatform, definition: DefinitionInput): Promise<string> {
  const json: Json = JSON.parse(JSON.stringify(definition));
  const { id } = await workflows.save({ tenantId, actor: "system:bench", name: definition.name, definition: json });
  return id;
}
