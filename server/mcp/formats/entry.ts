import { z } from "zod";
import type { Launch } from "#contract/mcp/servers.ts";
import type { ImportFormat, InputField } from "#contract/mcp/import.ts";
import { Caps, Sandbox } from "#contract/mcp/confinement.ts";
import type { Issue } from "#contract/errors.ts";

/** A launch as a document has it: any of its texts may hold variables. */
export type Draft = Launch;

/** One server of a document. `path` leads to it there. */
export type Entry = {
  key: string;
  path: string;
  draft: Draft | undefined;
  isDisabled: boolean;
  description: string;
  /** Fields that mean something elsewhere and nothing here. */
  ignored: string[];
  errors: Issue[];
};

export type ReadDocument = { format: ImportFormat; entries: Entry[]; inputs: InputField[] };

const Text = z.string().max(65_536);
/** VS Code allows numbers, and null for a variable that is to be absent. */
const Values = z.record(
  z.string(),
  z.union([Text, z.number(), z.boolean(), z.null()], { error: "expected a text, a number, true, false or null" }),
);

const Server = z.looseObject({
  type: z.enum(["stdio", "http", "sse", "streamable-http", "streamableHttp", "streamable_http", "remote", "local"]).optional(),
  command: Text.optional(),
  args: z.array(Text).optional(),
  env: Values.optional(),
  cwd: Text.optional(),
  url: Text.optional(),
  serverUrl: Text.optional(),
  httpUrl: Text.optional(),
  headers: Values.optional(),
  query: Values.optional(),
  caps: Caps.optional(),
  sandbox: Sandbox.optional(),
  disabled: z.boolean().optional(),
  enabled: z.boolean().optional(),
  description: z.string().optional(),
  name: z.string().optional(),
});

const KNOWN = new Set([...Object.keys(Server.shape), "gallery", "version", "icon"]);

/** Reads one server; what is wrong with it is part of the result, so that all of a document can be shown at once. */
export function readEntry(key: string, path: string, raw: unknown): Entry {
  const entry = { key, path, draft: undefined, isDisabled: false, description: "", ignored: [], errors: [] };
  const parsed = Server.safeParse(raw);
  if (!parsed.success) {
    const errors = parsed.error.issues.map((issue) => ({ path: [path, ...issue.path.map(String)].join("."), message: issue.message }));
    return { ...entry, errors };
  }
  const { command, args = [], env = {}, cwd, caps, sandbox, headers = {}, query, disabled, enabled, description = "" } = parsed.data;
  const url = parsed.data.url ?? parsed.data.serverUrl ?? parsed.data.httpUrl;
  const common = {
    ...entry,
    isDisabled: disabled === true || enabled === false,
    description: description.slice(0, 4_000),
    ignored: Object.keys(parsed.data).filter((name) => !KNOWN.has(name)),
  };
  const wrong = (message: string): Entry => ({ ...common, errors: [{ path, message }] });
  if (command !== undefined && url !== undefined) return wrong("expected either a command or an address, not both");
  if (command !== undefined && command.trim() !== "") {
    return { ...common, draft: { transport: "stdio", command, args, env: texts(env), cwd, caps, sandbox } };
  }
  if (url === undefined) return wrong("expected a command or an address (`url`)");
  return {
    ...common,
    draft: { transport: "http", url, type: httpType(parsed.data.type), headers: texts(headers), ...(query && { query: texts(query) }) },
  };
}

/** `http` leaves it open: those who write it try Streamable HTTP first. */
function httpType(type: string | undefined): "streamable-http" | "sse" | undefined {
  if (type === "sse") return "sse";
  return type?.startsWith("streamable") ? "streamable-http" : undefined;
}

const texts = (values: z.infer<typeof Values>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]])));
