import type { CheckFinding } from "#contract/mcp/tests.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Egress, Redactor, SecretReader } from "#server/kernel/ports.ts";
import type { FindModel } from "../protocol/sample.ts";
import { differenceOf, mayBeEdited, scriptChanged, type InspectLaunch } from "../registration/check-launch.ts";
import { launchHash, namedValues, secretInArgument, secretName } from "../registration/launch.ts";
import { allLaunchIssues } from "../registration/refuse-launch.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { refusalOf } from "../supervision/refusal.ts";
import { checkProcess, type Where } from "./check-process.ts";
import { checkModel, checkRoots } from "./check-settings.ts";
import type { ToolChecks } from "./check-tools.ts";
import { failing } from "./failing.ts";
import { finding, type Found } from "./finding.ts";

export type CheckDeps = Where & {
  egress: Egress;
  secrets: SecretReader;
  inspect: InspectLaunch;
  ownerApproves: boolean;
  launchPolicy: Parameters<typeof allLaunchIssues>[1];
  redactor: Redactor;
  tools: ToolChecks;
  findModel?: FindModel | undefined;
};

type Check = (deps: CheckDeps, server: ServerRecord) => Promise<Found[]>;

/** Everything that can be known to be wrong without starting or calling anything, in one pass. */
export const checkServer =
  (deps: CheckDeps) =>
  async (server: ServerRecord): Promise<CheckFinding[]> => {
    const checks: Check[] = [quarantined, rules, process, approval, secrets, target, roots, model, tools];
    const found = await Promise.all(checks.map((check) => check(deps, server)));
    return deps.redactor.json(found.flat().map(finding));
  };

const quarantined: Check = (_deps, server) =>
  Promise.resolve(server.quarantine === null ? [] : [{ path: "quarantine", error: refusalOf(server) }]);

const rules: Check = async ({ launchPolicy }, { launch }) => {
  const issues = await allLaunchIssues(launch, launchPolicy);
  return issues.map(({ path, message }) => ({ path, error: new AppError("launch_refused", message) }));
};

/** What cannot be looked at now is taken at what it was when it was last seen: that it is missing is found by itself. */
const approval: Check = async (deps, server) => {
  const { id, name, launch, launchHash: lastSeen, approvedLaunchHash } = server;
  const hash = await deps.inspect(id, launch).then(
    (found) => found.hash,
    () => lastSeen,
  );
  const difference = differenceOf(approvedLaunchHash, hash);
  if (difference === "none" || approvedLaunchHash === launchHash(launch, null)) return [];
  if (difference === "script") return mayBeEdited(deps, server) ? [] : [{ path: "launch.args", error: scriptChanged({ name, launch }) }];
  const message = approvedLaunchHash === null ? "Nobody has approved this launch." : "What would run is not what was approved.";
  return [{ path: "launch", error: new AppError("launch_not_approved", message) }];
};

const secrets: Check = async ({ secrets: vault }, { tenantId, id, environment, launch }) => {
  const named = namedValues(launch).flatMap(([where, values]) =>
    Object.entries(values).map(([key, value]) => ({ path: `launch.${where}.${key}`, name: secretName(value) })),
  );
  const args = launch.transport === "http" ? [] : launch.args;
  const all = [...named, ...args.map((arg, i) => ({ path: `launch.args.${i}`, name: secretInArgument(arg)?.name }))];
  const found = all.map(async ({ path, name }) => {
    if (name === undefined) return [];
    const error = await failing(vault.read({ tenantId, name, environment, usedBy: `mcp_server:${id}` }));
    return error === undefined ? [] : [{ path, error, expected: "a secret of this environment", got: name }];
  });
  return (await Promise.all(found)).flat();
};

const target: Check = async ({ egress }, { tenantId, launch }) => {
  if (launch.transport === "stdio") return [];
  const error = await failing(egress.probe({ tenantId, url: launch.url, purpose: "mcp_server" }));
  return error === undefined ? [] : [{ path: "launch.url", error }];
};

const process: Check = (where, server) => checkProcess(where, server);

const roots: Check = (_deps, server) => checkRoots(server);

const model: Check = ({ findModel }, server) => checkModel(findModel, server);

const tools: Check = ({ tools: checks }, server) => checks.ofServer(server);
