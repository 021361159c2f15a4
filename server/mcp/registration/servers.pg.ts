import { z } from "zod";
import { Environment, Time } from "#contract/common.ts";
import { Quarantine, ServerHealth } from "#contract/mcp/health.ts";
import { EraVerdict, Launch, ServerState } from "#contract/mcp/servers.ts";
import { ServerSettings } from "#contract/mcp/settings.ts";
import { AppError } from "#server/kernel/errors.ts";
import { isUniqueViolation } from "#server/kernel/pg-errors.ts";
import type { Tx } from "#server/kernel/ports.ts";
import type { ServerRecord } from "./server-record.ts";

const LastError = z.object({ code: z.string(), message: z.string(), remedy: z.string(), at: Time });

const Roots = ServerSettings.shape.roots.unwrap();
const rootsOf = (text: string | null): readonly string[] | null => (text === null ? null : Roots.parse(JSON.parse(text)));
const makersOf = (text: string): readonly string[] => z.array(z.string()).parse(JSON.parse(text));

const Verdict = EraVerdict.extend({ launchHash: z.string() });

const Row = z.object({
  id: z.string(),
  tenant_id: z.string(),
  environment: Environment,
  name: z.string(),
  description: z.string(),
  launch: z.string(),
  settings: z.string(),
  launch_hash: z.string(),
  approved_launch_hash: z.string().nullable(),
  approved_roots: z.string().nullable(),
  launch_makers: z.string(),
  catalogue_trusted: z.boolean(),
  catalogue_pinned_at: z.date().nullable(),
  desired: z.enum(["running", "stopped"]),
  starts_asked: z.number(),
  restarts_asked: z.number(),
  state: ServerState,
  protocol_version: z.string().nullable(),
  era: z.string().nullable(),
  server_version: z.string().nullable(),
  last_error: z.string().nullable(),
  pid: z.number().nullable(),
  started_at: z.date().nullable(),
  restarts: z.number(),
  quarantine: z.string().nullable(),
  health: z.string().nullable(),
  next_attempt_at: z.date().nullable(),
  created_by: z.string(),
  created_at: z.date(),
  updated_at: z.date(),
  tool_count: z.number(),
});

/** A server and how many tools it lists. */
export type CountedServer = { record: ServerRecord; toolCount: number };

export function serverOf(raw: unknown): CountedServer {
  const row = Row.parse(raw);
  const record: ServerRecord = {
    id: row.id,
    tenantId: row.tenant_id,
    environment: row.environment,
    name: row.name,
    description: row.description,
    launch: Launch.parse(JSON.parse(row.launch)),
    settings: ServerSettings.parse(JSON.parse(row.settings)),
    launchHash: row.launch_hash,
    approvedLaunchHash: row.approved_launch_hash,
    approvedRoots: rootsOf(row.approved_roots),
    launchMakers: makersOf(row.launch_makers),
    catalogueTrusted: row.catalogue_trusted,
    cataloguePinned: row.catalogue_pinned_at !== null,
    desired: row.desired,
    startsAsked: row.starts_asked,
    restartsAsked: row.restarts_asked,
    state: row.state,
    protocolVersion: row.protocol_version,
    era: row.era === null ? null : Verdict.parse(JSON.parse(row.era)),
    serverVersion: row.server_version,
    lastError: row.last_error === null ? null : LastError.parse(JSON.parse(row.last_error)),
    pid: row.pid,
    startedAt: row.started_at,
    restarts: row.restarts,
    quarantine: row.quarantine === null ? null : Quarantine.parse(JSON.parse(row.quarantine)),
    health: row.health === null ? null : ServerHealth.parse(JSON.parse(row.health)),
    nextAttemptAt: row.next_attempt_at,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
  return { record, toolCount: row.tool_count };
}

/** Every server that is not deleted, for `serverOf`. */
export const SELECT_SERVERS = `
  select s.*, (select count(*)::int from mcp_tools t where t.server_id = s.id and t.listed) as tool_count
  from mcp_servers s where s.deleted_at is null`;

/** Throws `name_taken` if a live server of this environment has the name. `approvedBy` is null while the launch waits for approval. */
export async function insertServer(tx: Tx, server: ServerRecord, approvedBy: string | null): Promise<void> {
  try {
    await tx.query(
      `insert into mcp_servers (id, tenant_id, environment, name, description, launch, launch_hash, approved_launch_hash, launch_approved_by,
         launch_approved_at, catalogue_trusted, desired, state, created_by, created_at, updated_at, settings,
         approved_roots, launch_makers)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, case when $9::text is null then null else $13::timestamptz end, $10, $11, 'STOPPED', $12, $13, $13, $14,
         $15, $16)`,
      [
        server.id,
        server.tenantId,
        server.environment,
        server.name,
        server.description,
        JSON.stringify(server.launch),
        server.launchHash,
        server.approvedLaunchHash,
        approvedBy,
        server.catalogueTrusted,
        server.desired,
        server.createdBy,
        server.createdAt,
        JSON.stringify(server.settings),
        server.approvedRoots && JSON.stringify(server.approvedRoots),
        JSON.stringify(server.launchMakers),
      ],
    );
  } catch (error) {
    throw asNameTaken(error, server);
  }
}

const asNameTaken = (error: unknown, { name, environment }: { name: string; environment: string }): unknown =>
  isUniqueViolation(error)
    ? new AppError("name_taken", `A server named ${name} exists already in ${environment}.`, { cause: error })
    : error;

export async function findServer(tx: Tx, id: string): Promise<CountedServer | undefined> {
  const [row] = await tx.query(`${SELECT_SERVERS} and s.id = $1`, [id]);
  return row && serverOf(row);
}

export async function findServerByName(tx: Tx, environment: string, name: string): Promise<CountedServer | undefined> {
  const [row] = await tx.query(`${SELECT_SERVERS} and s.environment = $1 and s.name = $2`, [environment, name]);
  return row && serverOf(row);
}

/** Of all tenants, for the start of the platform. */
export async function allServers(tx: Tx): Promise<ServerRecord[]> {
  return (await tx.query(`${SELECT_SERVERS} order by s.id`)).map((row) => serverOf(row).record);
}

/** What the supervisor has learned. The launch, its approval and what is wanted are not touched. */
export async function saveState(tx: Tx, server: ServerRecord): Promise<void> {
  await tx.query(
    `update mcp_servers set state = $2, protocol_version = $3, server_version = $4, last_error = $5, pid = $6,
       started_at = $7, restarts = $8, era = $9, next_attempt_at = $10, updated_at = now() where id = $1`,
    [
      server.id,
      server.state,
      server.protocolVersion,
      server.serverVersion,
      server.lastError && JSON.stringify(server.lastError),
      server.pid,
      server.startedAt,
      server.restarts,
      server.era && JSON.stringify(server.era),
      server.nextAttemptAt,
    ],
  );
}

/** Null lets the server out. False when there is no such server, or it is taken out (or not) already. */
export async function saveQuarantine(tx: Tx, id: string, quarantine: Quarantine | null): Promise<boolean> {
  const rows = await tx.query(
    `update mcp_servers set quarantine = $2, updated_at = now()
     where id = $1 and deleted_at is null and (quarantine is null) = ($2::text is not null) returning id`,
    [id, quarantine && JSON.stringify(quarantine)],
  );
  return rows.length > 0;
}

export async function saveHealth(tx: Tx, id: string, health: ServerHealth | null): Promise<void> {
  await tx.query("update mcp_servers set health = $2 where id = $1", [id, health && JSON.stringify(health)]);
}

/** The launch, what it hashes to now, and what of it is approved; `approvedBy` is null when nobody has approved this one. */
export async function saveLaunch(tx: Tx, server: ServerRecord, approvedBy: string | null): Promise<void> {
  await tx.query(
    `update mcp_servers set launch = $2, launch_hash = $3, approved_launch_hash = $4, launch_approved_by = $5,
       launch_approved_at = case when $5::text is null then null else now() end, catalogue_trusted = $6, description = $7, updated_at = now()
     where id = $1`,
    [
      server.id,
      JSON.stringify(server.launch),
      server.launchHash,
      server.approvedLaunchHash,
      approvedBy,
      server.catalogueTrusted,
      server.description,
    ],
  );
}

/** Which roots are approved, and who has asked for what is not. */
export async function saveAsked(tx: Tx, { id, approvedRoots, launchMakers }: ServerRecord): Promise<void> {
  await tx.query("update mcp_servers set approved_roots = $2, launch_makers = $3 where id = $1", [
    id,
    approvedRoots && JSON.stringify(approvedRoots),
    JSON.stringify(launchMakers),
  ]);
}

/** The name, the description and the settings. Throws `name_taken`. */
export async function saveDetails(tx: Tx, server: ServerRecord): Promise<void> {
  const { id, name, description, environment } = server;
  try {
    await tx.query("update mcp_servers set name = $2, description = $3, settings = $4, updated_at = now() where id = $1", [
      id,
      name,
      description,
      JSON.stringify(server.settings),
    ]);
  } catch (error) {
    throw asNameTaken(error, { name, environment });
  }
}

/** The names of all live servers of the environment. */
export async function namesTaken(tx: Tx, environment: string): Promise<Set<string>> {
  const rows = await tx.query<{ name: string }>("select name from mcp_servers where deleted_at is null and environment = $1", [
    environment,
  ]);
  return new Set(rows.map(({ name }) => name));
}

/** What a person wants of a server, and how often it was asked. Undefined when there is no such server any more. */
export type Wish = Pick<ServerRecord, "desired" | "startsAsked" | "restartsAsked">;
export async function saveWish(tx: Tx, id: string, wish: "start" | "stop" | "restart"): Promise<Wish | undefined> {
  const [row] = await tx.query<{ desired: Wish["desired"]; starts_asked: number; restarts_asked: number }>(
    `update mcp_servers set desired = case when $2 = 'stop' then 'stopped' else 'running' end, updated_at = now(),
       starts_asked = starts_asked + case when $2 = 'start' then 1 else 0 end,
       restarts_asked = restarts_asked + case when $2 = 'restart' then 1 else 0 end
     where id = $1 and deleted_at is null returning desired, starts_asked, restarts_asked`,
    [id, wish],
  );
  return row && { desired: row.desired, startsAsked: row.starts_asked, restartsAsked: row.restarts_asked };
}

/** A server as others may have changed it: what is wanted of it, what is approved, and a mark that changes with its tools. */
export type Registered = Wish &
  Pick<
    ServerRecord,
    "id" | "tenantId" | "name" | "description" | "settings" | "approvedLaunchHash" | "approvedRoots" | "launchMakers" | "quarantine"
  > & {
    isPinned: boolean;
    toolsMark: string;
  };

/** All that are not deleted, of all tenants; for the worker role. */
export async function registeredServers(tx: Tx): Promise<Registered[]> {
  const rows = await tx.query<{
    id: string;
    tenant_id: string;
    name: string;
    description: string;
    settings: string;
    desired: Wish["desired"];
    starts_asked: number;
    restarts_asked: number;
    approved_launch_hash: string | null;
    approved_roots: string | null;
    launch_makers: string;
    quarantine: string | null;
    is_pinned: boolean;
    tools_mark: string | null;
  }>(
    `select s.id, s.tenant_id, s.name, s.description, s.settings, s.desired, s.starts_asked, s.restarts_asked, s.approved_launch_hash, s.quarantine,
       s.approved_roots, s.launch_makers,
       s.catalogue_pinned_at is not null as is_pinned,
       (select md5(string_agg(t.updated_at::text, ' ' order by t.id)) from mcp_tools t where t.server_id = s.id) as tools_mark
     from mcp_servers s where s.deleted_at is null`,
  );
  return rows.map((row) => ({
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    description: row.description,
    settings: ServerSettings.parse(JSON.parse(row.settings)),
    desired: row.desired,
    startsAsked: row.starts_asked,
    restartsAsked: row.restarts_asked,
    approvedLaunchHash: row.approved_launch_hash,
    approvedRoots: rootsOf(row.approved_roots),
    launchMakers: makersOf(row.launch_makers),
    quarantine: row.quarantine === null ? null : Quarantine.parse(JSON.parse(row.quarantine)),
    isPinned: row.is_pinned,
    toolsMark: row.tools_mark ?? "",
  }));
}

/** Whether this was the first list of the server, in any process. */
export async function markPinned(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query(
    "update mcp_servers set catalogue_pinned_at = now() where id = $1 and catalogue_pinned_at is null returning id",
    [id],
  );
  return rows.length > 0;
}

/**
 * The launches of the other live servers of a server's environment, oldest first. Whoever asks waits for those who have asked before and
 * are about to delete theirs.
 */
export async function otherLaunches(tx: Tx, { id, tenantId, environment }: ServerRecord): Promise<{ id: string; launch: Launch }[]> {
  await tx.query("select pg_advisory_xact_lock(hashtext('auterity_server_secrets'), hashtext($1))", [tenantId]);
  const rows = await tx.query<{ id: string; launch: string }>(
    "select id, launch from mcp_servers where deleted_at is null and environment = $1 and id <> $2 order by id",
    [environment, id],
  );
  return rows.map((row) => ({ id: row.id, launch: Launch.parse(JSON.parse(row.launch)) }));
}

/** False when somebody else was faster. */
export async function deleteServer(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query(
    "update mcp_servers set deleted_at = now(), desired = 'stopped' where id = $1 and deleted_at is null returning id",
    [id],
  );
  if (rows.length > 0) await tx.query("update mcp_tools set listed = false where server_id = $1", [id]);
  return rows.length > 0;
}
