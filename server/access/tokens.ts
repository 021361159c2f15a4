import { AppError } from "#server/kernel/errors.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { Audit, Database } from "#server/kernel/ports.ts";
import { hashOf, newToken } from "./credentials.ts";
import type { Identities } from "./identities.ts";
import { insertToken, principalOf, revokeToken as revoke } from "./store.pg.ts";

type Deps = { database: Database; audit: Audit; newId: () => string };

/** An API token of `caller`'s principal. The answer is the only place where it can ever be read. */
export const issueToken =
  ({ database, audit, newId }: Deps) =>
  async (caller: Caller, name = "API token"): Promise<{ id: string; token: string }> => {
    const token = newToken();
    const id = newId();
    await database.asTenant(caller.tenantId, async (tx) => {
      await insertToken(tx, { id, principal: principalOf(caller), hash: hashOf(token), name });
      await audit.record(tx, { tenantId: caller.tenantId, actor: caller.ref, action: "token.created", target: `token:${id}` });
    });
    return { id, token };
  };

/** Takes effect here at once, and within seconds in every other process. */
export const revokeToken =
  ({ database, audit, identities }: Omit<Deps, "newId"> & { identities: Identities }) =>
  async (caller: Caller, id: string): Promise<void> => {
    await database.asTenant(caller.tenantId, async (tx) => {
      if (!(await revoke(tx, id))) throw new AppError("not_found", "There is no such token.");
      await audit.record(tx, { tenantId: caller.tenantId, actor: caller.ref, action: "token.revoked", target: `token:${id}` });
    });
    identities.forget(id);
  };
