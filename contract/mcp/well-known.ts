import { z } from "zod";
import { Environment, PageQuery, Slug, pageOf } from "../common.ts";
import { defineRoute } from "../route.ts";
import { InputField, InputValues } from "./import.ts";
import { McpServer } from "./servers.ts";

export const WELL_KNOWN_CATEGORIES = [
  "files",
  "memory",
  "reasoning",
  "web",
  "developer",
  "documents",
  "data",
  "work",
  "cloud",
  "business",
] as const;

/** A server that many people use, and how it is started. */
export const WellKnownServer = z.object({
  id: Slug,
  title: z.string(),
  description: z.string(),
  category: z.enum(WELL_KNOWN_CATEGORIES),
  homepage: z.url(),
  /** SPDX, or `hosted` for a service that nobody runs themselves. */
  licence: z.string(),
  transport: z.enum(["stdio", "http"]),
  /** The command or address, with `${input:id}` where an input goes. */
  runs: z.string(),
  /** Comes with the platform: it starts without a download. */
  bundled: z.boolean(),
  inputs: z.array(InputField),
});
export type WellKnownServer = z.infer<typeof WellKnownServer>;

export const listWellKnownServers = defineRoute({
  name: "listWellKnownServers",
  method: "GET",
  path: "/api/v1/mcp-catalogue",
  summary: "List well-known MCP servers that one call adds",
  tag: "mcp-servers",
  permission: "mcp_server:read",
  query: PageQuery.extend({
    q: z.string().max(200).optional().describe("Each of its words must be in the id, title, description or category."),
  }),
  response: pageOf(WellKnownServer),
  errors: ["cursor_invalid"],
});

export const addWellKnownServer = defineRoute({
  name: "addWellKnownServer",
  method: "POST",
  path: "/api/v1/mcp-catalogue/:id/add",
  summary: "Register a well-known server and, by default, start it",
  tag: "mcp-servers",
  permission: "mcp_server:write",
  params: z.object({ id: Slug }),
  body: z.strictObject({
    name: Slug.optional(),
    inputs: InputValues.default({}),
    environment: Environment.default("production"),
    start: z.boolean().default(true),
  }),
  example: { inputs: { folder: "/srv/reports" } },
  response: McpServer,
  status: 201,
  errors: ["not_found", "name_taken", "launch_refused", "conflict"],
});
