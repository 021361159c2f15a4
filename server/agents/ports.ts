import type { WebSocket } from "ws";
import type { Agent, CreateAgent } from "#contract/agents.ts";
import type { Environment } from "#contract/common.ts";
import type { Handled } from "#server/kernel/handle.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Audit, Database, Egress, FrameSink, LiveBus, Redactor, SecretReader } from "#server/kernel/ports.ts";
import type { StepExecutor } from "#server/kernel/step-executor.ts";
import type { ModelQuestion, ModelSaid } from "./ask-model.ts";
import type { AgentPrincipal } from "./custom/agent-connection.ts";
import type { HubTimes } from "./custom/agent-hub.ts";

export type AgentsDeps = {
  database: Database;
  audit: Audit;
  egress: Egress;
  secrets: SecretReader;
  frames: FrameSink;
  redactor: Redactor;
  live: LiveBus;
  /** What in texts a person would not see or should not obey; each finding names the place. */
  scan: (texts: object) => string[];
  log: Log;
  newId: () => string;
  now: () => Date;
  /** On a loopback install an owner's registration approves the address, and what the agent says of its effects. */
  ownerApproves: boolean;
  times?: Partial<HubTimes>;
};

export type EnsureAgent = { tenantId: string; actor: string; agent: CreateAgent };

export type Agents = {
  routes: Handled[];
  executeModel: StepExecutor;
  executeCustom: StepExecutor;
  executeA2a: StepExecutor;
  /** An agent of any of these kinds. */
  executeAgent: StepExecutor;
  /** One question to a registered model, for another part of the platform. */
  askModel(question: ModelQuestion): Promise<ModelSaid>;
  /** Rejects with `model_unknown` for a model that no call could use. */
  findModel(of: { tenantId: string; environment: string; model: string }): Promise<unknown>;
  /** `/ws/agents`: the caller upgrades the request, checks the bearer token and hands the socket over. */
  agentSocket: {
    authenticate(token: string): Promise<AgentPrincipal | undefined>;
    accept(socket: WebSocket, principal: AgentPrincipal): void;
  };
  /** Registers the agent unless it exists, in the name of an owner. For a custom agent a fresh token is issued each time; earlier ones end. */
  ensureAgent(spec: EnsureAgent): Promise<{ agent: Agent; token?: string }>;
  /** Which of these secrets are the keys of agents. */
  secretsUsed(of: { tenantId: string; environment: Environment; names: readonly string[] }): Promise<string[]>;
  start(): void;
  /** Closes every agent's socket and waits until that is recorded. Calls under way fail with `unavailable`. */
  stop(): Promise<void>;
};
