/** `resource:action`, declared on each route. The web app reads the same list to disable what the caller may not do. */
export const PERMISSIONS = [
  "workflow:read",
  "workflow:write",
  "run:read",
  "run:start",
  "run:control",
  "approval:read",
  "approval:decide",
  "mcp_server:read",
  "mcp_server:write",
  "mcp_server:control",
  "tool:read",
  "tool:call",
  "tool:approve",
  "agent:read",
  "agent:write",
  "agent:invoke",
  "trigger:read",
  "trigger:write",
  "message:read",
  "secret:read",
  "secret:write",
  "audit:read",
  "metrics:read",
  "workspace:admin",
] as const;
export type Permission = (typeof PERMISSIONS)[number];

export const ROLES = ["owner", "admin", "designer", "operator", "viewer", "auditor"] as const;
export type Role = (typeof ROLES)[number];

const READ = [
  "workflow:read",
  "run:read",
  "approval:read",
  "mcp_server:read",
  "tool:read",
  "agent:read",
  "trigger:read",
  "message:read",
  "metrics:read",
] as const;
const OPERATE = [...READ, "run:start", "run:control", "approval:decide", "mcp_server:control", "tool:call", "agent:invoke"] as const;
const DESIGN = [...OPERATE, "workflow:write", "mcp_server:write", "agent:write", "trigger:write", "secret:read"] as const;

/** What each role may do. An agent's token has no role: it may only speak on `/ws/agents`. */
export const ROLE_PERMISSIONS: Record<Role, readonly Permission[]> = {
  owner: PERMISSIONS,
  admin: PERMISSIONS,
  designer: DESIGN,
  operator: OPERATE,
  viewer: READ,
  auditor: [...READ, "audit:read", "secret:read"],
};
