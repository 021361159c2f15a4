import type { ImportMcpServers, PreviewedServer, previewMcpImport } from "#contract/mcp/import.ts";
import type { LaunchWarning } from "#contract/mcp/warnings.ts";
import type { RouteResponse } from "#contract/route.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { maskLaunch } from "./launch.ts";
import { isKnownRunner, launchWarnings } from "./launch-warnings.ts";
import { planDocument } from "./plan-document.ts";
import type { PlannedServer } from "./plan-import.ts";
import { allLaunchIssues } from "./refuse-launch.ts";
import type { ImportDeps } from "./import-servers.ts";

/** Says what an import would do. Reads and looks, and changes nothing. */
export const previewImport =
  (deps: ImportDeps) =>
  async (caller: Caller, body: ImportMcpServers): Promise<RouteResponse<typeof previewMcpImport>> => {
    const { read, plan } = await planDocument(deps, caller.tenantId, body);
    return { format: read.format, items: await Promise.all(plan.map((one) => preview(deps, one))), inputs: read.inputs };
  };

async function preview({ isInstalled, launchPolicy }: ImportDeps, planned: PlannedServer): Promise<PreviewedServer> {
  const { key, name, renamed, draft, launch, secrets, inputs, isDisabled } = planned;
  const refused = launch === undefined ? [] : await allLaunchIssues(launch, launchPolicy);
  return {
    key,
    name,
    clash: renamed === undefined ? null : { renamed },
    launch: draft === undefined ? null : maskLaunch(draft),
    secrets: secrets.map(({ at, name: secret }) => ({ at, name: secret })),
    inputs,
    warnings: [
      ...planned.warnings,
      ...(draft === undefined ? [] : launchWarnings(draft)),
      ...(await processWarnings(planned, isInstalled)),
    ],
    errors: [...planned.errors, ...refused],
    disabled: isDisabled,
  };
}

const UNCONFINED =
  "The process may do whatever the platform's own account may. What it writes outside its own folders, its cwd included, does not count for diskBytes.";

async function processWarnings({ draft }: PlannedServer, isInstalled: ImportDeps["isInstalled"]): Promise<LaunchWarning[]> {
  if (draft?.transport !== "stdio") return [];
  const { command } = draft;
  const warnings: LaunchWarning[] = [];
  if (draft.sandbox === undefined) warnings.push({ code: "unconfined", message: UNCONFINED });
  if (!isKnownRunner(command))
    warnings.push({ code: "unknown_command", message: `${command} is none of the programs that servers are usually started with.` });
  if (!(await isInstalled(command)))
    warnings.push({ code: "command_not_found", message: `${command} is not installed where servers find their commands.` });
  return warnings;
}
