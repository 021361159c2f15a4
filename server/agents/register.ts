import type { CreateAgent } from "#contract/agents.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import type { Audit, Database, Egress, LiveBus, Tx } from "#server/kernel/ports.ts";
import { skillsOf, type A2aConnector } from "./a2a/connection.ts";
import { isKind, isStorable, newAgentToken, requireKind, type AgentOf, type AgentRecord } from "./agent.ts";
import type { AgentHub } from "./custom/agent-hub.ts";
import { OFFLINE_PROVIDER } from "./offline/extractive.ts";
import type { AgentsDeps } from "./ports.ts";
import { describeAgent, findAgentByName, insertAgent, insertToken, removeAgent, revokeTokens, updateEndpoint } from "./store.pg.ts";

export type RegistryDeps = {
  database: Database;
  audit: Audit;
  egress: Egress;
  live: LiveBus;
  scan: AgentsDeps["scan"];
  connector: A2aConnector;
  hub: AgentHub;
  newId: () => string;
};

/** Who registers. An owner's registration also opens the way to the address, be it loopback or private. */
export type Registrar = { tenantId: string; actor: string; approvesAddress: boolean };
export type Registered = { agent: AgentRecord; token?: string };

/**
 * Registers an agent. Of an A2A agent the card is read after the row exists, because only a committed entry opens the
 * way to it; when the card cannot be read, the row is taken back and the error says why.
 */
export const registerAgent =
  (deps: RegistryDeps) =>
  async (agent: CreateAgent, by: Registrar): Promise<Registered> => {
    requireUsable(agent);
    const registered = await deps.database.asTenant(by.tenantId, (tx) => insert(deps, tx, { agent, by }));
    const record = registered.agent;
    if (!isKind(record, "a2a")) return registered;
    try {
      return { agent: await readCard(deps, record, { by, acceptFindings: agent.acceptFindings }) };
    } catch (thrown) {
      const error = toAppError(thrown);
      await deleteAgent(deps)(record.id, { tenantId: by.tenantId, actor: by.actor, reason: error.message });
      throw error;
    }
  };

/** Says whether there was such an agent. Its connections end at once. */
export const deleteAgent =
  ({ database, audit, hub, connector, live }: RegistryDeps) =>
  async (id: string, { tenantId, actor, reason }: { tenantId: string; actor: string; reason?: string }): Promise<boolean> => {
    const removed = await database.asTenant(tenantId, async (tx) => {
      const agent = await removeAgent(tx, id);
      if (agent)
        await audit.record(tx, { tenantId, actor, action: "agent.deleted", target: `agent:${id}`, reason, details: { name: agent.name } });
      return agent;
    });
    if (!removed) return false;
    hub.forget(id);
    connector.forget(id);
    live.publish(tenantId, { type: "agent", agentId: id, status: "offline" });
    return true;
  };

/** The agent as asked for: registered, or with its endpoint brought up to date. A custom agent always gets a fresh token. */
export const ensureAgent =
  (deps: RegistryDeps) =>
  async (agent: CreateAgent, by: Registrar): Promise<Registered> => {
    const { database, hub } = deps;
    const known = await database.asTenant(by.tenantId, (tx) => findAgentByName(tx, agent));
    if (!known) return registerAgent(deps)(agent, by);
    requireKind(known, agent.endpoint.kind);
    if (isKind(known, "custom")) {
      const token = await database.asTenant(by.tenantId, (tx) => issueToken(deps, tx, { agent: known, actor: by.actor }));
      hub.disconnect(known.id, "the agent got a new token");
      return { agent: known, token };
    }
    const current = { ...known, endpoint: agent.endpoint };
    if (JSON.stringify(known.endpoint) !== JSON.stringify(agent.endpoint)) await moveAgent(deps, current, by);
    return { agent: isKind(current, "a2a") ? await readCard(deps, current, { by, acceptFindings: agent.acceptFindings }) : current };
  };

async function moveAgent(deps: RegistryDeps, agent: AgentRecord, by: Registrar): Promise<void> {
  const { tenantId, actor } = by;
  await deps.database.asTenant(tenantId, async (tx) => {
    await updateEndpoint(tx, agent);
    await openWay(deps, tx, { agent, by });
    await deps.audit.record(tx, { tenantId, actor, action: "agent.updated", target: `agent:${agent.id}`, details: { name: agent.name } });
  });
}

async function insert(deps: RegistryDeps, tx: Tx, { agent, by }: { agent: CreateAgent; by: Registrar }): Promise<Registered> {
  const { tenantId, actor } = by;
  const record = await insertAgent(tx, { id: deps.newId(), tenantId, agent, version: "1" });
  await openWay(deps, tx, { agent: record, by });
  const details = { name: record.name, kind: record.endpoint.kind };
  await deps.audit.record(tx, { tenantId, actor, action: "agent.created", target: `agent:${record.id}`, details });
  return isKind(record, "custom") ? { agent: record, token: await issueToken(deps, tx, { agent: record, actor }) } : { agent: record };
}

async function openWay({ egress }: RegistryDeps, tx: Tx, { agent, by }: { agent: AgentRecord; by: Registrar }): Promise<void> {
  const { tenantId, actor, approvesAddress } = by;
  if (!approvesAddress) return;
  if (isKind(agent, "a2a")) await egress.allow(tx, { tenantId, actor, url: agent.endpoint.url, purpose: "a2a_agent" });
  if (isKind(agent, "openai")) await egress.allow(tx, { tenantId, actor, url: agent.endpoint.baseUrl, purpose: "model" });
}

/** Earlier tokens of the agent stop working. */
async function issueToken(deps: RegistryDeps, tx: Tx, { agent, actor }: { agent: AgentRecord; actor: string }): Promise<string> {
  const { id: agentId, tenantId } = agent;
  const { token, hash } = newAgentToken(tenantId);
  await revokeTokens(tx, agentId);
  await insertToken(tx, { id: deps.newId(), tenantId, agentId, hash, createdBy: actor });
  await deps.audit.record(tx, { tenantId, actor, action: "agent.token_issued", target: `agent:${agentId}` });
  return token;
}

type Reading = { by: Registrar; acceptFindings: boolean | undefined };

/** Reads the agent's card and stores what it says of its skills; nothing else of it is shown to anybody. */
async function readCard(deps: RegistryDeps, agent: AgentOf<"a2a">, { by, acceptFindings }: Reading): Promise<AgentRecord> {
  const { connector, database, live, scan, audit } = deps;
  connector.forget(agent.id);
  const { card } = await connector.open(agent, AbortSignal.timeout(20_000));
  const skills = skillsOf(card);
  const version = card.version.slice(0, 64) || "1";
  if (!isStorable(skills) || !isStorable(version)) {
    throw new AppError("agent_protocol_error", `The card of ${agent.name} contains characters that cannot be stored.`);
  }
  const findings = scan(card);
  if (findings.length > 0 && acceptFindings !== true) throw suspicious(agent.name, findings);
  const { tenantId, actor } = by;
  const described = await database.asTenant(tenantId, async (tx) => {
    const entry = { tenantId, actor, action: "agent.findings_accepted", target: `agent:${agent.id}`, details: { findings } };
    if (findings.length > 0) await audit.record(tx, entry);
    return describeAgent(tx, { id: agent.id, skills, version });
  });
  if (!described) throw new AppError("not_found", "The agent was deleted while its card was read.");
  live.publish(agent.tenantId, { type: "agent", agentId: agent.id, status: "online" });
  return described;
}

function suspicious(name: string, findings: readonly string[]): AppError {
  const issues = findings.map((message) => ({ path: "endpoint.url", message }));
  return new AppError("agent_suspicious", `The card of ${name} says what nobody should obey, or what nobody sees: ${findings[0] ?? ""}.`, {
    issues,
  });
}

function requireUsable(agent: CreateAgent): void {
  if (agent.name === OFFLINE_PROVIDER)
    throw new AppError("name_taken", `${OFFLINE_PROVIDER} is the name of the built-in model's provider.`);
  if ([agent.title ?? "", agent.description, JSON.stringify(agent.endpoint)].every(isStorable)) return;
  throw new AppError("request_invalid", "Expected text without NUL and unpaired surrogates.");
}
