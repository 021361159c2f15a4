import { dirname } from "node:path";
import type { Registry } from "prom-client";
import type { McpServer } from "#contract/mcp/servers.ts";
import type { Handled } from "#server/kernel/handle.ts";
import type { Log } from "#server/kernel/log.ts";
import type {
  Audit,
  Database,
  Egress,
  FrameReader,
  FrameSink,
  Leadership,
  LiveBus,
  Redactor,
  SecretReader,
  ToolPresets,
  ValueCodec,
  SecretWriter,
} from "#server/kernel/ports.ts";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import type { JudgeUses, ToolsUsed } from "./diagnosis/check-tools.ts";
import type { McpEndpoint } from "#server/kernel/mcp-endpoint.ts";
import type { WorkflowsUsing } from "./catalogue/review-tools.ts";
import type { ResumeStep } from "./catalogue/waits.ts";
import type { SecretsUsed } from "./registration/drop-secrets.ts";
import type { RegistrationDeps, ServerSpec } from "./registration/register-server.ts";
import type { AskModel, FindModel } from "./protocol/sample.ts";
import type { Timings } from "./supervision/timings.ts";

export type McpDeps = {
  database: Database;
  audit: Audit;
  egress: Egress;
  secrets: SecretReader;
  /** Makes the redactor know a credential that is no secret of the vault. */
  conceal?: (value: string) => void;
  /** Where the credentials of imported documents are stored. */
  vault: SecretWriter;
  frames: FrameSink;
  frameReader: FrameReader;
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
  /** What the operator lets servers run; by default all that the rules allow. */
  launchPolicy?: RegistrationDeps["launchPolicy"];
  /** The most calls of a workspace at once, in this process; by default `LIMITS.mcpTenantCalls`. */
  tenantCalls?: number | undefined;
  redactor: Redactor;
  codec: ValueCodec;
  /** For servers that may ask a model; without it none may. */
  askModel?: AskModel;
  findModel?: FindModel;
  /** Which workflows call a tool. */
  workflowsUsing: WorkflowsUsing;
  /** Which secrets something else than servers refers to: agents, workflows. */
  secretsUsed: SecretsUsed;
  /** Lets a step of a run try again that waits because its tool had changed. */
  resumeStep: ResumeStep;
  /** Whether nobody waits any more for what a server has asked in this run. */
  isRunOver?: (tenantId: string, runId: string) => Promise<boolean>;
  /** Which tools of a server the workflows call. */
  toolsUsed: ToolsUsed;
  /** Other processes run the same servers, each with connections of its own. */
  isShared?: boolean;
  /** Servers start when somebody asks something of them here, not with the platform: for a process that drives no runs. */
  onDemand?: boolean;
  /** Whether this process is the one that asks what it is enough that one asks; by default it is alone. */
  leadership?: Leadership;
  /** The PATH in which servers find commands; by default Node's folder and the system's. */
  path?: string;
  /** Told to servers as the client's version. */
  version?: string;
  /** Seals what clients of the gateway keep for us; the same in all processes that serve them. */
  stateKey?: Uint8Array;
  random?: () => number;
  /** Where what servers use, and how calls end, is shown. */
  registry?: Registry;
  timings?: Partial<Timings>;
};

export type Mcp = {
  routes: Handled[];
  executeTool: StepExecutor;
  /** The tools that may be called, as nodes for workflows. */
  toolPresets: ToolPresets;
  /** The platform as an MCP server. */
  gateway: McpEndpoint;
  /** For whoever writes steps that call tools. */
  judgeUses: JudgeUses;
  /** Registers the server or gives it this launch, and starts it. Resolves with its state when the first attempt is over. */
  ensureServer(spec: ServerSpec): Promise<McpServer>;
  /** Resolves when all servers are known; orphans are ended and servers started without being waited for. */
  start(): Promise<void>;
  /** Ends all process trees. A second call joins the first. */
  stop(): Promise<void>;
};

/** Where servers find commands unless told otherwise: beside this Node, and in the system's folders. */
export const systemPath = (): string => `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
