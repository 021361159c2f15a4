import type { Caller } from "#server/kernel/caller.ts";
import type { Audit, Database } from "#server/kernel/ports.ts";
import type { Bootstrap } from "./authenticate.ts";
import { callerOf, ensurePrincipal } from "./store.pg.ts";

/** Equal in every installation, so that processes which start together agree on it. */
const TENANT = { id: "00000000-0000-7000-8000-000000000001", name: "Default workspace" } as const;
const OWNER = { tenantId: TENANT.id, role: "owner" } as const;

type Deps = { database: Database; audit: Audit; newId: () => string; bootstrap: Bootstrap | undefined };
type Workspace = { tenantId: string; ownerCaller: Caller; created: boolean };

/**
 * The workspace of a fresh installation and its owner, who signs in by one-time link; both are made once, by whichever
 * process comes first. With a bootstrap token there is also the service account it stands for: until this has run, that
 * token opens nothing. `created` says that the database was empty.
 */
export const ensureDefaultWorkspace =
  ({ database, audit, newId, bootstrap }: Deps) =>
  (): Promise<Workspace> =>
    database.asTenant(TENANT.id, async (tx) => {
      const owner = await ensurePrincipal(tx, TENANT.name, { ...OWNER, id: newId(), kind: "user", name: "Local owner" });
      if (owner.created) {
        await audit.record(tx, { tenantId: TENANT.id, actor: "system", action: "workspace.created", target: `tenant:${TENANT.id}` });
      }
      if (bootstrap) {
        const account = { ...OWNER, id: newId(), kind: "service_account", name: "Bootstrap token" } as const;
        bootstrap.caller = callerOf((await ensurePrincipal(tx, TENANT.name, account)).principal);
      }
      return { tenantId: TENANT.id, ownerCaller: callerOf(owner.principal), created: owner.created };
    });
