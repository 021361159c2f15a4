import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { Issue } from "#contract/errors.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Database } from "#server/kernel/ports.ts";
import { policyIssues, type LaunchPolicy } from "./launch-policy.ts";
import { folderIssues, launchIssues } from "./launch-rules.ts";

type Deps = { database: Database; audit: Audit; launchPolicy: LaunchPolicy };
type Asked = { tenantId: string; actor: string };
export type NamedLaunch = { name: string; launch: Launch };

/** Everything that forbids this launch, the folder looked at on disk. */
export async function allLaunchIssues(launch: Launch, policy: LaunchPolicy): Promise<Issue[]> {
  const issues = [...launchIssues(launch), ...policyIssues(launch, policy)];
  if (launch.transport === "http" || launch.cwd === undefined || issues.length > 0) return issues;
  return pathIssues(launch.cwd, "launch.cwd");
}

/** What forbids a folder, by its name and by where it leads. */
export async function pathIssues(folder: string, path: string): Promise<Issue[]> {
  const issues = folderIssues(folder, path);
  const real = issues.length > 0 ? folder : await realFolder(folder);
  if (real === folder) return issues;
  return [{ path, message: `${folder} leads through a symbolic link; name the folder itself: ${real}`, code: "cwd_refused" }];
}

/** Where a folder really is; itself, without needless slashes, while it does not exist. */
async function realFolder(folder: string): Promise<string> {
  const plain = resolve(folder);
  const real = await realpath(plain).catch(() => plain);
  return real === plain ? folder : real;
}

/** The gate of every way in: throws `launch_refused`, with all reasons, and leaves them in the audit trail. */
export const refuseLaunches =
  ({ database, audit, launchPolicy }: Deps) =>
  async ({ tenantId, actor }: Asked, launches: readonly NamedLaunch[]): Promise<void> => {
    const found = await Promise.all(
      launches.map(async ({ name, launch }) => ({ name, issues: await allLaunchIssues(launch, launchPolicy) })),
    );
    const refused = found.filter(({ issues }) => issues.length > 0);
    if (refused.length === 0) return;
    await database.asTenant(tenantId, async (tx) => {
      for (const { name, issues } of refused) {
        const reason = [...new Set(issues.map(({ code = "refused" }) => code))].join(", ");
        const details = { name, refused: issues.map(({ path }) => path) };
        await audit.record(tx, {
          tenantId,
          actor,
          action: "mcp_server.launch_refused",
          target: "mcp_server:new",
          outcome: "deny",
          reason,
          details,
        });
      }
    });
    const issues = refused.flatMap(({ name, issues }) => issues.map((issue) => ({ ...issue, path: `${name}.${issue.path}` })));
    const [first] = issues;
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
    throw new AppError("launch_refused", `The launch of ${refused[0]?.name ?? ""} is refused: ${first?.message ?? ""}${more}.`, { issues });
  };
