import * as contract from "#contract/secrets.ts";
import { handle, type Handled } from "#server/kernel/handle.ts";
import { deleteSecret, listSecrets, putSecret, type VaultDeps } from "./vault.ts";

export const secretRoutes = (deps: VaultDeps): Handled[] => [
  handle(contract.listSecrets, ({ caller, query }) => listSecrets(deps)(caller.tenantId, query)),
  handle(contract.putSecret, ({ caller, params, body }) => putSecret(deps)(caller, { ...params, ...body })),
  handle(contract.deleteSecret, async ({ caller, params, query }): Promise<undefined> => {
    await deleteSecret(deps)(caller, { ...params, ...query });
  }),
];
