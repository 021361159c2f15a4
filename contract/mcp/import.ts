import { z } from "zod";
import { defineRoute } from "../route.ts";
import { EnvName, EnvValue, McpServer } from "./servers.ts";

/** The format that Claude Desktop, Cursor and Windsurf share. */
export const McpServersFile = z.strictObject({
  mcpServers: z
    .record(
      z.string().min(1).max(63),
      z.strictObject({
        command: z.string().min(1).max(1_024).optional(),
        args: z.array(z.string().max(4_096)).max(128).optional(),
        env: z.record(EnvName, EnvValue).optional(),
        cwd: z.string().max(1_024).optional(),
        type: z.enum(["stdio", "http", "streamable-http"]).optional(),
        url: z.string().max(2_048).optional(),
        headers: z.record(z.string(), EnvValue).optional(),
      }),
    )
    .refine((o) => Object.keys(o).length <= 64, "expected at most 64 servers"),
});

export type McpServersFile = z.infer<typeof McpServersFile>;

export const importMcpServers = defineRoute({
  name: "importMcpServers",
  method: "POST",
  path: "/api/v1/mcp-servers/import",
  summary: "Register, start and list every server of an `mcpServers` document",
  tag: "mcp-servers",
  permission: "mcp_server:write",
  body: McpServersFile,
  response: z.object({ items: z.array(McpServer) }),
  status: 201,
  errors: ["name_taken", "request_invalid"],
});
