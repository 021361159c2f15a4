import { Slug } from "#contract/common.ts";
import type { Issue } from "#contract/errors.ts";
import { CreateMcpServer } from "#contract/mcp/servers.ts";
import { type McpServersFile } from "#contract/mcp/import.ts";
import { AppError } from "#server/kernel/errors.ts";

type Entry = McpServersFile["mcpServers"][string];

/** The registrations that an `mcpServers` document means. Throws `request_invalid` naming every entry that is wrong. */
export function readServersFile(file: McpServersFile): CreateMcpServer[] {
  const issues: Issue[] = [];
  const registrations = Object.entries(file.mcpServers).flatMap(([name, entry]) => {
    const parsed = CreateMcpServer.safeParse({ name: toSlug(name), launch: toLaunch(entry) });
    if (parsed.success) return [parsed.data];
    issues.push(...parsed.error.issues.map(({ path, message }) => ({ path: ["mcpServers", name, ...path.slice(1)].join("."), message })));
    return [];
  });
  const names = registrations.map(({ name }) => name);
  const twice = names.filter((name, i) => names.indexOf(name) !== i);
  issues.push(...twice.map((name) => ({ path: "mcpServers", message: `two entries become the server ${name}` })));
  if (issues.length === 0) return registrations;
  throw new AppError("request_invalid", `${issues.length} problems in the mcpServers document.`, { issues });
}

/** A command means stdio and an address HTTP, whatever `type` says: that is how the other clients read these files. */
function toLaunch({ command, args, env, cwd, url, headers }: Entry): unknown {
  if (command !== undefined && url !== undefined) return { transport: "either command or url, not both" };
  return url === undefined ? { transport: "stdio", command, args, env, cwd } : { transport: "http", url, headers };
}

/** The other clients allow any name; here it is part of definitions and addresses. */
function toSlug(name: string): string {
  if (Slug.safeParse(name).success) return name;
  return name
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^[-_]+|-+$/g, "")
    .slice(0, 63);
}
