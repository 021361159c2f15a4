import { createLink, createSession, endSession, getMe, type Me } from "#contract/access.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { handle, WithCookie, type Handled } from "#server/kernel/handle.ts";
import type { Identities } from "./identities.ts";
import { createSignInLink, exchangeCode, signOut, type SignInDeps } from "./sign-in.ts";
import { tenantName } from "./store.pg.ts";

export function accessRoutes(deps: SignInDeps & { identities: Identities }): Handled[] {
  const { database, identities } = deps;
  const exchange = exchangeCode(deps);
  const leave = signOut(deps);
  const createLinkFor = createSignInLink(deps);
  return [
    handle(createSession, async ({ body }) => {
      const { caller, tenantName, value, maxAgeSeconds } = await exchange(body.code);
      return new WithCookie(me(caller, tenantName), { value, maxAgeSeconds });
    }),
    handle(getMe, async ({ caller }) => {
      const known = identities.signInOf(caller)?.tenantName;
      return me(caller, known ?? (await database.asTenant(caller.tenantId, (tx) => tenantName(tx, caller.tenantId))));
    }),
    handle(endSession, async ({ caller }) => {
      await leave(caller);
      return new WithCookie(undefined, null);
    }),
    handle(createLink, ({ caller }) => createLinkFor(caller)),
  ];
}

const me = (caller: Caller, tenantName: string): Me => ({
  principalId: caller.principalId,
  name: caller.name,
  kind: caller.kind,
  role: caller.role,
  permissions: [...caller.permissions],
  tenantId: caller.tenantId,
  tenantName,
});
