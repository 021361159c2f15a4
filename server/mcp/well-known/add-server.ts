import type { Issue } from "#contract/errors.ts";
import { stat } from "node:fs/promises";
import type { InputField } from "#contract/mcp/import.ts";
import type { addWellKnownServer } from "#contract/mcp/well-known.ts";
import type { RouteRequest } from "#contract/route.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { registerAsPlanned, type ImportDeps } from "../registration/import-servers.ts";
import { planRead, refusePlan } from "../registration/plan-document.ts";
import type { PlannedServer } from "../registration/plan-import.ts";
import { pathIssues } from "../registration/refuse-launch.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { launchOf, wellKnown } from "./catalogue.ts";

export type AddWellKnown = Pick<RouteRequest<typeof addWellKnownServer>, "params" | "body">;

/** Registers a server of the catalogue with these inputs; nothing is started. Throws `request_invalid` naming every input that is missing or does not fit. */
export const addWellKnown =
  (deps: ImportDeps) =>
  async (caller: Caller, { params, body }: AddWellKnown): Promise<SupervisedServer> => {
    const known = wellKnown(params.id);
    if (!known)
      throw new AppError("not_found", `The catalogue has no server ${params.id}.`, { remedy: "List them: `auterity mcp catalogue`." });
    const { id, description, inputs: fields = [] } = known;
    await refuseInputs(fields, body.inputs);
    const entry = { key: id, path: id, draft: launchOf(known.launch), description, isDisabled: false, ignored: [], errors: [] };
    const read = { format: "server" as const, entries: [entry], inputs: [...fields] };
    const choices = { entries: [{ key: id, ...(body.name && { name: body.name }) }], onClash: "fail" as const, inputs: body.inputs };
    const { environment, start } = body;
    const makePlan = async (): Promise<PlannedServer[]> => {
      const plan = await planRead(deps, { tenantId: caller.tenantId, environment }, { read, choices });
      refusePlan({ read, plan }, "Give it another `name` (`--name`).");
      return plan;
    };
    const [server] = (await registerAsPlanned(deps, caller, { makePlan, environment, start })).servers;
    if (!server) throw new AppError("internal", "A registration returned no server.");
    return server;
  };

async function refuseInputs(fields: readonly InputField[], given: Readonly<Record<string, string>>): Promise<void> {
  const known = new Map(fields.map((field) => [field.id, field]));
  const found = await Promise.all(Object.entries(given).map(([id, value]) => inputIssues(known.get(id), { id, value })));
  const issues = found.flat();
  if (issues.length === 0) return;
  throw new AppError("request_invalid", `The inputs do not fit: ${issues[0]?.path ?? ""}: ${issues[0]?.message ?? ""}.`, { issues });
}

async function inputIssues(field: InputField | undefined, { id, value }: { id: string; value: string }): Promise<Issue[]> {
  const path = `inputs.${id}`;
  if (field === undefined) return [{ path, message: "the server asks for no such input" }];
  // What begins with a dash would be an option of the command, not the value that it is meant to be.
  if (!field.password && value.startsWith("-")) return [{ path, message: "expected a value that does not begin with -" }];
  if (field.folder !== true || value === "") return [];
  const issues = await pathIssues(value, path);
  if (issues.length > 0) return issues;
  const isFolder = await stat(value).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isFolder ? [] : [{ path, message: `expected a folder that exists; there is none at ${value}` }];
}
