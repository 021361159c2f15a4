import { z } from "zod";
import { Agent, type AgentEndpoint, type CreateAgent, type Skill } from "#contract/agents.ts";
import type { Page, PageQuery } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import { UUID, decodeCursor, toPage } from "#server/kernel/paging.ts";
import type { Tx } from "#server/kernel/ports.ts";
import type { AgentRecord } from "./agent.ts";

/** How long a connection counts as open after its last heartbeat. */
const FRESH = "interval '15 seconds'";

const COLUMNS = `a.id, a.tenant_id, a.environment, a.name, a.title, a.description, a.endpoint, a.concurrency, a.skills, a.version,
  case when a.endpoint->>'kind' <> 'custom' then a.status
       when exists (select from agent_connections c where c.agent_id = a.id and c.last_seen_at > now() - ${FRESH}) then 'online'
       else 'offline' end as status,
  a.last_seen_at, a.created_at, a.updated_at`;

const Row = z.object({
  id: z.string(),
  tenant_id: z.string(),
  environment: z.string(),
  name: z.string(),
  title: z.string(),
  description: z.string(),
  endpoint: z.unknown(),
  concurrency: z.number().nullable(),
  skills: z.unknown(),
  version: z.string(),
  status: z.string(),
  last_seen_at: z.date().nullable(),
  created_at: z.date(),
  updated_at: z.date(),
});

function fromRow(row: unknown): AgentRecord {
  const { tenant_id, last_seen_at, created_at, updated_at, ...same } = Row.parse(row);
  const agent = Agent.parse({
    ...same,
    lastSeenAt: last_seen_at?.toISOString() ?? null,
    createdAt: created_at.toISOString(),
    updatedAt: updated_at.toISOString(),
  });
  return { ...agent, tenantId: tenant_id };
}

type NewAgent = { id: string; tenantId: string; agent: CreateAgent; version: string };

/** Throws `name_taken` when a live agent of this environment has the name. */
export async function insertAgent(tx: Tx, { id, tenantId, agent, version }: NewAgent): Promise<AgentRecord> {
  const rows = await tx.query(
    `with a as (
       insert into agents (id, tenant_id, environment, name, title, description, endpoint, version, concurrency)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       on conflict (tenant_id, environment, name) where deleted_at is null do nothing
       returning *)
     select ${COLUMNS} from a`,
    [
      id,
      tenantId,
      agent.environment,
      agent.name,
      agent.title ?? agent.name,
      agent.description,
      JSON.stringify(agent.endpoint),
      version,
      agent.concurrency ?? null,
    ],
  );
  const row = rows[0];
  if (!row) throw new AppError("name_taken", `An agent named ${agent.name} already exists in ${agent.environment}.`);
  return fromRow(row);
}

export async function findAgent(tx: Tx, id: string): Promise<AgentRecord | undefined> {
  const rows = await tx.query(`select ${COLUMNS} from agents a where a.id = $1 and a.deleted_at is null`, [id]);
  return rows[0] && fromRow(rows[0]);
}

export async function findAgentByName(
  tx: Tx,
  { name, environment }: { name: string; environment: string },
): Promise<AgentRecord | undefined> {
  const rows = await tx.query(`select ${COLUMNS} from agents a where a.environment = $1 and a.name = $2 and a.deleted_at is null`, [
    environment,
    name,
  ]);
  return rows[0] && fromRow(rows[0]);
}

/** Model providers of an environment (all without one), by name. */
export async function listProviders(tx: Tx, environment?: string): Promise<AgentRecord[]> {
  const rows = await tx.query(
    `select ${COLUMNS} from agents a
     where a.deleted_at is null and a.endpoint->>'kind' = 'openai' and ($1::text is null or a.environment = $1) order by a.name, a.environment`,
    [environment ?? null],
  );
  return rows.map(fromRow);
}

export async function pageOfAgents(tx: Tx, { limit, cursor }: PageQuery): Promise<Page<AgentRecord>> {
  const after = decodeCursor(cursor, [/^\d{4}-\d\d-\d\dT[\d:.]{8,15}Z$/, UUID]);
  const rows = await tx.query<{ id: string; key: string }>(
    `select ${COLUMNS}, to_char(a.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as key from agents a
     where a.deleted_at is null and ($1::timestamptz is null or (a.created_at, a.id) < ($1::timestamptz, $2::uuid))
     order by a.created_at desc, a.id desc limit $3`,
    [after?.[0] ?? null, after?.[1] ?? null, limit + 1],
  );
  return toPage(rows, { limit, map: fromRow, key: (row) => [row.key, row.id] });
}

/** What an agent says of itself: at its connection, or in its card. */
export async function describeAgent(
  tx: Tx,
  { id, skills, version }: { id: string; skills: readonly Skill[]; version: string },
): Promise<AgentRecord | undefined> {
  const rows = await tx.query(
    `with a as (
       update agents set skills = $2, version = $3, status = 'online', last_seen_at = now(), updated_at = now()
       where id = $1 and deleted_at is null returning *)
     select ${COLUMNS} from a`,
    [id, JSON.stringify(skills), version],
  );
  return rows[0] && fromRow(rows[0]);
}

export async function updateEndpoint(tx: Tx, { id, endpoint }: { id: string; endpoint: AgentEndpoint }): Promise<void> {
  await tx.query("update agents set endpoint = $2, updated_at = now() where id = $1", [id, JSON.stringify(endpoint)]);
}

/** Says whether the status is a new one. */
export async function setStatus(tx: Tx, { id, status }: { id: string; status: Agent["status"] }): Promise<boolean> {
  const rows = await tx.query(
    `update agents set status = $2, last_seen_at = case when $2 = 'online' then now() else last_seen_at end
     where id = $1 and status <> $2 and deleted_at is null returning id`,
    [id, status],
  );
  return rows.length > 0;
}

/** Marks the agent deleted, revokes its tokens and forgets its connections. Undefined when there is no such agent. */
export async function removeAgent(tx: Tx, id: string): Promise<AgentRecord | undefined> {
  const rows = await tx.query(
    `with a as (update agents set deleted_at = now(), updated_at = now() where id = $1 and deleted_at is null returning *) select ${COLUMNS} from a`,
    [id],
  );
  const row = rows[0];
  if (!row) return undefined;
  await revokeTokens(tx, id);
  await tx.query("delete from agent_connections where agent_id = $1", [id]);
  return fromRow(row);
}

type NewToken = { id: string; tenantId: string; agentId: string; hash: Buffer; createdBy: string };
export async function insertToken(tx: Tx, { id, tenantId, agentId, hash, createdBy }: NewToken): Promise<void> {
  await tx.query("insert into agent_tokens (id, tenant_id, agent_id, hash, created_by) values ($1, $2, $3, $4, $5)", [
    id,
    tenantId,
    agentId,
    hash,
    createdBy,
  ]);
}

export async function revokeTokens(tx: Tx, agentId: string): Promise<void> {
  await tx.query("update agent_tokens set revoked_at = now() where agent_id = $1 and revoked_at is null", [agentId]);
}

export async function findTokenOwner(tx: Tx, hash: Buffer): Promise<{ tokenId: string; agentId: string; name: string } | undefined> {
  const rows = await tx.query<{ tokenId: string; agentId: string; name: string }>(
    `select t.id as "tokenId", a.id as "agentId", a.name from agent_tokens t join agents a on a.id = t.agent_id
     where t.hash = $1 and t.revoked_at is null and a.deleted_at is null`,
    [hash],
  );
  return rows[0];
}

/** Clears what crashes have left of this agent. */
export async function removeStaleConnections(tx: Tx, agentId: string): Promise<void> {
  await tx.query("delete from agent_connections where agent_id = $1 and last_seen_at < now() - interval '1 minute'", [agentId]);
}

/** Removes a connection; says whether the agent has another one, on this node or elsewhere. */
export async function removeConnection(tx: Tx, { id, agentId }: { id: string; agentId: string }): Promise<{ othersOpen: boolean }> {
  await tx.query("delete from agent_connections where id = $1", [id]);
  await tx.query("update agents set last_seen_at = now() where id = $1", [agentId]);
  const others = await tx.query(`select 1 from agent_connections where agent_id = $1 and last_seen_at > now() - ${FRESH} limit 1`, [
    agentId,
  ]);
  return { othersOpen: others.length > 0 };
}

/**
 * Records connections, or that they are still open. Returns those whose agent and token are valid; the others must be
 * closed. A row that was cleared meanwhile, because this process slept, is written again.
 */
export async function touchConnections(tx: Tx, connections: readonly { id: string; tokenId: string }[]): Promise<Set<string>> {
  const rows = await tx.query<{ id: string }>(
    `insert into agent_connections (id, tenant_id, agent_id, token_id)
     select c.id, t.tenant_id, t.agent_id, t.id from unnest($1::uuid[], $2::uuid[]) as c (id, token_id)
       join agent_tokens t on t.id = c.token_id and t.revoked_at is null
       join agents a on a.id = t.agent_id and a.deleted_at is null
     on conflict (id) do update set last_seen_at = now()
     returning id`,
    [connections.map(({ id }) => id), connections.map(({ tokenId }) => tokenId)],
  );
  return new Set(rows.map((row) => row.id));
}

/** Which of these secrets agents of the environment name as their keys. */
export async function selectKeySecrets(
  tx: Tx,
  { environment, names }: { environment: string; names: readonly string[] },
): Promise<string[]> {
  const rows = await tx.query<{ name: string }>(
    `select distinct endpoint->>'keySecret' as name from agents
     where deleted_at is null and environment = $1 and endpoint->>'keySecret' = any($2::text[])`,
    [environment, names],
  );
  return rows.map(({ name }) => name);
}
