import { createHash, randomBytes } from "node:crypto";
import type { Agent, AgentEndpoint, Skill } from "#contract/agents.ts";
import type { Json } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";

export type AgentRecord = Agent & { readonly tenantId: string };
export type AgentOf<K extends AgentEndpoint["kind"]> = AgentRecord & { endpoint: Extract<AgentEndpoint, { kind: K }> };

export function isKind<K extends AgentEndpoint["kind"]>(agent: AgentRecord, kind: K): agent is AgentOf<K> {
  return agent.endpoint.kind === kind;
}

/** The agent itself if it is of this kind, else `agent_unknown` that says what it is. */
export function requireKind<K extends AgentEndpoint["kind"]>(agent: AgentRecord, kind: K): AgentOf<K> {
  if (isKind(agent, kind)) return agent;
  throw new AppError("agent_unknown", `Expected an agent of kind ${kind}; ${agent.name} is of kind ${agent.endpoint.kind}.`);
}

/** The limit on an agent's calls, as a step's binding carries it: who drives the run keeps to it, also after a takeover. */
export const limitOf = ({ concurrency }: AgentRecord): { agentConcurrency?: string } =>
  concurrency === null ? {} : { agentConcurrency: String(concurrency) };

export function findSkill(agent: AgentRecord, name: string): Skill | undefined {
  return agent.skills.find((skill) => skill.name === name);
}

const TOKEN_PREFIX = "aut_agent_";
const TOKEN = /^aut_agent_([A-Za-z0-9_-]{22})[A-Za-z0-9_-]{43}$/;

/**
 * `aut_agent_` + workspace id + 256 random bits. The workspace is part of the token so that it can be looked up under
 * that workspace's row-level security; the hash covers all of it, so a changed workspace matches nothing.
 */
export function newAgentToken(tenantId: string): { token: string; hash: Buffer } {
  const workspace = Buffer.from(tenantId.replaceAll("-", ""), "hex").toString("base64url");
  const token = `${TOKEN_PREFIX}${workspace}${randomBytes(32).toString("base64url")}`;
  return { token, hash: hashToken(token) };
}

export function parseAgentToken(token: string): { tenantId: string; hash: Buffer } | undefined {
  const workspace = TOKEN.exec(token)?.[1];
  if (workspace === undefined) return undefined;
  const hex = Buffer.from(workspace, "base64url").toString("hex");
  const tenantId = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  return { tenantId, hash: hashToken(token) };
}

const hashToken = (token: string): Buffer => createHash("sha256").update(token).digest();

/** PostgreSQL stores neither NUL nor half of a surrogate pair; says whether `value` holds one anywhere. */
export function isStorable(value: Json): boolean {
  if (typeof value === "string") return value.isWellFormed() && !value.includes("\0");
  if (Array.isArray(value)) return value.every(isStorable);
  if (value === null || typeof value !== "object") return true;
  return Object.entries(value).every(([key, item]) => isStorable(key) && isStorable(item));
}

/** Whether `value` is nested at most `levels` deep. */
export function isWithinDepth(value: Json, levels: number): boolean {
  if (value === null || typeof value !== "object") return true;
  if (levels === 0) return false;
  return Object.values(value).every((item) => isWithinDepth(item, levels - 1));
}
