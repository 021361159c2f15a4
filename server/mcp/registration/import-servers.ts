import type { Environment } from "#contract/common.ts";
import type { ImportMcpServers } from "#contract/mcp/import.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { isTransactionConflict } from "#server/kernel/pg-errors.ts";
import type { AuditRecord, SecretWriter } from "#server/kernel/ports.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { planDocument, refusePlan } from "./plan-document.ts";
import type { PlannedServer } from "./plan-import.ts";
import { registerServers, registrantOf, type RegistrationDeps } from "./register-server.ts";

export type ImportDeps = RegistrationDeps & {
  vault: SecretWriter;
  /** Whether a command is installed where servers find theirs. */
  isInstalled: (command: string) => Promise<boolean>;
};

/** Registers what was chosen of a document, all or none; its secrets go to the vault in the same transaction. Nothing is started. */
export const importServers =
  (deps: ImportDeps) =>
  async (caller: Caller, body: ImportMcpServers): Promise<{ servers: SupervisedServer[]; skipped: string[] }> => {
    const makePlan = async (): Promise<PlannedServer[]> => {
      const planned = await planDocument(deps, caller.tenantId, body);
      refusePlan(planned);
      return planned.plan;
    };
    const { servers, plan } = await registerAsPlanned(deps, caller, { makePlan, environment: body.environment, start: body.start });
    return { servers, skipped: plan.filter(({ isSkipped }) => isSkipped).map(({ name }) => name) };
  };

type Wanted = { environment: Environment; start: boolean };

/** Whoever is overtaken by another registration plans again with the names that are taken by then. */
const PLANS = 20;

/** Registers all of a plan that is not skipped. The plan must be whole; what is in its way by then, it throws itself. */
export async function registerAsPlanned(
  deps: ImportDeps,
  caller: Caller,
  { makePlan, ...wanted }: Wanted & { makePlan: () => Promise<PlannedServer[]> },
): Promise<{ servers: SupervisedServer[]; plan: PlannedServer[] }> {
  for (let attempt = 1; ; attempt += 1) {
    const plan = await makePlan();
    try {
      const servers = await registerPlanned(deps, caller, { ...wanted, plan: plan.filter(({ isSkipped }) => !isSkipped) });
      return { servers, plan };
    } catch (error) {
      const isOvertaken = error instanceof AppError && (error.code === "name_taken" || error.code === "conflict");
      if ((!isOvertaken && !isTransactionConflict(error)) || attempt === PLANS) throw error;
    }
  }
}

/** Stores the secrets and the servers together. */
async function registerPlanned(
  deps: ImportDeps,
  caller: Caller,
  { plan, environment, start }: Wanted & { plan: readonly PlannedServer[] },
): Promise<SupervisedServer[]> {
  const { tenantId, ref: actor } = caller;
  const secrets = plan.map((one) => new Map(one.secrets.map(({ name, value = "" }) => [name, value])));
  const count = secrets.reduce((sum, { size }) => sum + size, 0);
  if (count > 0 && !caller.permissions.has("secret:write")) {
    const denial = {
      tenantId,
      actor,
      action: "mcp_server.import",
      target: "mcp_server:new",
      outcome: "deny" as const,
      reason: "secret:write",
    };
    await deps.database.asTenant(tenantId, (tx) => deps.audit.record(tx, denial));
    throw new AppError("permission_denied", `The document holds ${count} credentials; storing them needs secret:write.`, {
      remedy: "Have an owner store them, and write `secret:name` in the document where they stand.",
    });
  }
  const registrations = plan.map(({ name, description, launch, isDisabled }) => {
    if (launch === undefined) throw new AppError("internal", `The plan of ${name} is not whole.`);
    return { name, description, environment, launch, start: start && !isDisabled };
  });
  if (count > 0) await deps.vault.prepare(tenantId);
  return registerServers(deps)(registrantOf(caller), registrations, async (tx, ids) => {
    const all = ids.flatMap((madeFor, i) => [...(secrets[i] ?? [])].map(([name, value]) => ({ name, value, madeFor })));
    const records: AuditRecord[] = [];
    for (const secret of all.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
      records.push(await deps.vault.create(tx, { tenantId, actor, environment, ...secret }));
    return records;
  });
}
