import { z } from "zod";
import { Id, Json, PageQuery, Time, pageOf } from "./common.ts";
import { PERMISSIONS, ROLES } from "./permissions.ts";
import { defineRoute } from "./route.ts";

export const Me = z.object({
  principalId: Id,
  name: z.string(),
  kind: z.enum(["user", "service_account", "agent"]),
  role: z.enum(ROLES).nullable(),
  permissions: z.array(z.enum(PERMISSIONS)),
  tenantId: Id,
  tenantName: z.string(),
});
export type Me = z.infer<typeof Me>;

export const createSession = defineRoute({
  name: "createSession",
  method: "POST",
  path: "/api/v1/session",
  summary: "Exchange the one-time link's code for a browser session",
  tag: "access",
  permission: "public",
  body: z.strictObject({ code: z.string().min(16).max(128) }),
  response: Me,
  status: 201,
  errors: ["link_used", "origin_refused"],
  stream: "cookie",
});
export const getMe = defineRoute({
  name: "getMe",
  method: "GET",
  path: "/api/v1/session",
  summary: "Who am I, and what may I do",
  tag: "access",
  permission: "signed_in",
  response: Me,
  errors: [],
});
export const endSession = defineRoute({
  name: "endSession",
  method: "DELETE",
  path: "/api/v1/session",
  summary: "Sign out",
  tag: "access",
  permission: "signed_in",
  response: z.undefined(),
  status: 204,
  errors: [],
  stream: "cookie",
});
export const createLink = defineRoute({
  name: "createLink",
  method: "POST",
  path: "/api/v1/session/links",
  summary: "Make a one-time sign-in link (loopback only)",
  tag: "access",
  permission: "workspace:admin",
  response: z.object({ url: z.string(), expiresAt: Time }),
  status: 201,
  errors: ["permission_denied"],
});

export const AuditEntry = z.object({
  seq: z.number().int(),
  at: Time,
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  outcome: z.enum(["allow", "deny"]),
  reason: z.string().nullable(),
  details: z.record(z.string(), Json),
});
export type AuditEntry = z.infer<typeof AuditEntry>;
export const listAudit = defineRoute({
  name: "listAudit",
  method: "GET",
  path: "/api/v1/audit",
  summary: "List audit entries, newest first",
  tag: "audit",
  permission: "audit:read",
  query: PageQuery.extend({ action: z.string().max(128).optional() }),
  response: pageOf(AuditEntry),
  errors: ["cursor_invalid"],
});
export const verifyAudit = defineRoute({
  name: "verifyAudit",
  method: "POST",
  path: "/api/v1/audit/verify",
  summary: "Recompute the chain and compare",
  tag: "audit",
  permission: "audit:read",
  response: z.object({ valid: z.boolean(), entries: z.number().int(), firstBroken: z.number().int().nullable() }),
  errors: [],
});
