import type pg from "pg";
import { expect } from "vitest";

/** Columns of tables, or tables as a whole. */
export type LeftOut = Readonly<Record<string, readonly string[] | "all">>;

/**
 * What is written while nobody asks for anything, and what a refusal itself is to leave behind: the audit trail, how servers that run
 * meanwhile are, what they say and hear, and when somebody was last seen.
 */
const MOVING: LeftOut = {
  audit_log: "all",
  audit_heads: "all",
  protocol_frames: "all",
  mcp_server_logs: "all",
  mcp_servers: ["health"],
  agents: ["last_seen_at"],
  agent_connections: ["last_seen_at"],
  sessions: ["seen_at"],
};

/** Where a server is started, or asked to start: how it runs and is wanted to may change, and nothing of what it is. */
export const RUNNING: LeftOut = {
  mcp_processes: "all",
  mcp_servers: [
    "starts_asked",
    "restarts_asked",
    "desired",
    "health",
    "state",
    "pid",
    "started_at",
    "restarts",
    "last_error",
    "next_attempt_at",
    "updated_at",
  ],
};

/** Of each table that has rows: how many, and a hash of all that they hold. A change in place changes it. */
type State = ReadonlyMap<string, string>;
type Sql = pg.Client | pg.Pool;

export async function tablesOf(sql: Sql): Promise<string[]> {
  const { rows } = await sql.query<{ name: string }>(
    "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition order by 1",
  );
  return rows.map(({ name }) => name);
}

/** One statement for all tables, without sorting: the sum of the hashes of the rows is the same in any order. */
async function stateOf(sql: Sql, leftOut: LeftOut): Promise<State> {
  const watched = (await tablesOf(sql)).filter((name) => leftOut[name] !== "all");
  const parts = watched.map((name) => {
    const columns = leftOut[name];
    const row = columns === undefined || columns === "all" ? "t" : `(to_jsonb(t) - array['${columns.join("','")}'])`;
    return `select '${name}' as name, count(*) || ' rows, ' || sum(hashtextextended(${row}::text, 0)) as hash from ${name} t having count(*) > 0`;
  });
  const { rows } = await sql.query<{ name: string; hash: string }>(parts.join(" union all "));
  return new Map(rows.map(({ name, hash }) => [name, hash]));
}

function differences(before: State, after: State): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name));
  return names.toSorted().map((name) => `${name}: ${before.get(name) ?? "0 rows"} -> ${after.get(name) ?? "0 rows"}`);
}

/** Fails, with the names of the tables, when the database holds something else after `act`, whose result it passes on. */
export async function changesNothing<T>(sql: Sql, act: () => Promise<T>, leftOut: LeftOut = {}): Promise<T> {
  const before = await stateOf(sql, { ...MOVING, ...leftOut });
  const result = await act();
  const changed = differences(before, await stateOf(sql, { ...MOVING, ...leftOut }));
  if (changed.length > 0) expect.fail(`Tables that were changed: ${changed.join("; ")}`);
  return result;
}
