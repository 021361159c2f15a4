import { z } from "zod";
import { Environment, Json, Slug } from "../common.ts";
import { Issue } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { defineRoute } from "../route.ts";
import { Caps, Sandbox } from "./confinement.ts";
import { McpServer } from "./servers.ts";
import { LaunchWarning } from "./warnings.ts";

export const IMPORT_FORMATS = [
  ...(["mcpServers", "vscode", "server", "url", "command"] as const),
  ...(["claude_mcp_add", "codex_mcp_add", "gemini_mcp_add", "code_add_mcp"] as const),
] as const;
export const ImportFormat = z.enum(IMPORT_FORMATS);
export type ImportFormat = z.infer<typeof ImportFormat>;

/** A value that a document asks for, as a field of a form. A password goes to the vault, never into the launch. */
export const InputField = z.object({
  id: z.string(),
  description: z.string(),
  password: z.boolean(),
  required: z.boolean(),
  default: z.string().optional(),
  options: z.array(z.string()).optional(),
  /** A folder of the machine that the server runs on. */
  folder: z.boolean().optional(),
});
export type InputField = z.infer<typeof InputField>;

export const InputValues = z.record(z.string().min(1).max(128), z.string().max(16_384));

const Servers = z.record(z.string().min(1).max(256), Json);

const Choices = z.strictObject({
  /** What Claude Desktop, Cursor and Windsurf have: command or url by name. */
  mcpServers: Servers.optional(),
  /** What VS Code has, with its declarations in `inputs`. */
  servers: Servers.optional(),
  /** Any of the formats, as text or as JSON: also one server alone, an address, or a command line. */
  document: z.union([z.string().min(1).max(LIMITS.importChars), z.record(z.string(), Json)]).optional(),
  /** The values that are asked for, by id; or, beside `servers`, VS Code's own declarations. */
  inputs: z.union([InputValues, z.array(Json).max(256)]).optional(),
  /** Only these servers of the document, and what each is to be called here. */
  entries: z
    .array(z.strictObject({ key: z.string().max(256), name: Slug.optional() }))
    .max(LIMITS.importedServers)
    .optional(),
  environment: Environment.default("production"),
  /** What becomes of a server whose name is taken. */
  onClash: z.enum(["fail", "rename", "skip"]).default("fail"),
  start: z.boolean().default(true),
});
export const ImportMcpServers = Choices.refine(
  ({ mcpServers, servers, document }) => [mcpServers, servers, document].filter((one) => one !== undefined).length === 1,
  "expected exactly one of mcpServers, servers and document",
);
export type ImportMcpServers = z.infer<typeof ImportMcpServers>;

export const importMcpServers = defineRoute({
  name: "importMcpServers",
  method: "POST",
  path: "/api/v1/mcp-servers/import",
  summary: "Register, start and list the servers of a document in any known format",
  tag: "mcp-servers",
  permission: "mcp_server:write",
  body: ImportMcpServers,
  example: {
    mcpServers: { crm: { url: "https://mcp.example.com/mcp", headers: { Authorization: "Bearer ${input:token}" } } },
    inputs: { token: "…" },
  },
  response: z.object({
    items: z.array(McpServer),
    /** Names that were taken, where those were to be skipped. */
    skipped: z.array(z.string()),
  }),
  status: 201,
  errors: ["name_taken", "launch_refused", "egress_denied", "conflict"],
});

/** A launch with what is still missing written as `${input:id}`. */
const PreviewedLaunch = z.discriminatedUnion("transport", [
  z.object({
    transport: z.literal("stdio"),
    command: z.string(),
    args: z.array(z.string()),
    env: z.record(z.string(), z.string()),
    cwd: z.string().optional(),
    caps: Caps.optional(),
    sandbox: Sandbox.optional(),
  }),
  z.object({
    transport: z.literal("http"),
    url: z.string(),
    type: z.enum(["streamable-http", "sse"]).optional(),
    headers: z.record(z.string(), z.string()),
    query: z.record(z.string(), z.string()).optional(),
  }),
]);

export const PreviewedServer = z.object({
  /** What the document calls it. */
  key: z.string(),
  /** What it would be called here. */
  name: z.string(),
  /** Set when a server here has that name; the name that it would get with `onClash: rename`. */
  clash: z.object({ renamed: z.string() }).nullable(),
  launch: PreviewedLaunch.nullable(),
  /** Values that would be stored in the vault, and under which name the launch would refer to them. */
  secrets: z.array(z.object({ at: z.string(), name: z.string() })),
  /** Ids of the inputs that it waits for. */
  inputs: z.array(z.string()),
  warnings: z.array(LaunchWarning),
  errors: z.array(Issue),
  /** Switched off in the document: it would be registered, but not started. */
  disabled: z.boolean(),
});
export type PreviewedServer = z.infer<typeof PreviewedServer>;

export const previewMcpImport = defineRoute({
  name: "previewMcpImport",
  method: "POST",
  path: "/api/v1/mcp-servers/import/preview",
  summary: "Say what an import would do, without doing anything",
  tag: "mcp-servers",
  permission: "mcp_server:write",
  body: ImportMcpServers,
  example: { document: "npx -y @acme/crm-mcp-server@1.4.0 --token ${input:token}" },
  response: z.object({ format: ImportFormat, items: z.array(PreviewedServer), inputs: z.array(InputField) }),
  errors: ["request_invalid"],
});
