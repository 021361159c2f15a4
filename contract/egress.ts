import { z } from "zod";
import { PageQuery, Time, pageOf } from "./common.ts";
import { defineRoute } from "./route.ts";

export const EGRESS_PURPOSES = ["mcp_server", "mcp_sandbox", "model", "a2a_agent", "webhook", "http"] as const;
/** What the platform's own process connects to an address from data for; `mcp_sandbox`: on behalf of a server in a sandbox. */
export const EgressPurpose = z.enum(EGRESS_PURPOSES);
export type EgressPurpose = z.infer<typeof EgressPurpose>;

/** A host and port that may be called for one purpose although it is private, or its port unusual. */
export const EgressTarget = z.object({
  purpose: EgressPurpose,
  host: z.string(),
  port: z.number().int(),
  /** `private` opens loopback and private addresses, `public` an unusual port of a public host. */
  reach: z.enum(["public", "private"]),
  createdBy: z.string(),
  createdAt: Time,
});
export type EgressTarget = z.infer<typeof EgressTarget>;

const tag = "egress";
const permission = "workspace:admin";
export const listEgressTargets = defineRoute({
  name: "listEgressTargets",
  method: "GET",
  path: "/api/v1/egress-targets",
  summary: "List the addresses that may be called although they are private",
  tag,
  permission,
  query: PageQuery,
  response: pageOf(EgressTarget),
  errors: ["cursor_invalid"],
});
export const allowEgressTarget = defineRoute({
  name: "allowEgressTarget",
  method: "POST",
  path: "/api/v1/egress-targets",
  summary: "Allow calls to the host and port of an address, for one purpose",
  tag,
  permission,
  body: z.strictObject({ url: z.url({ protocol: /^https?$/ }).max(2_048), purpose: EgressPurpose }),
  response: EgressTarget,
  status: 201,
  errors: ["egress_denied"],
});
export const forbidEgressTarget = defineRoute({
  name: "forbidEgressTarget",
  method: "DELETE",
  path: "/api/v1/egress-targets",
  summary: "Allow them no longer, from the next connection on",
  tag,
  permission,
  query: z.object({ purpose: EgressPurpose, host: z.string().min(1).max(253), port: z.coerce.number().int().min(1).max(65_535) }),
  response: z.undefined(),
  status: 204,
  errors: ["not_found"],
});
