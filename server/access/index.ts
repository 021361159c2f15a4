import type { Caller } from "#server/kernel/caller.ts";
import type { Handled } from "#server/kernel/handle.ts";
import { authenticate, type Bootstrap, type Credentials } from "./authenticate.ts";
import { hashOf } from "./credentials.ts";
import { createIdentities } from "./identities.ts";
import { accessRoutes } from "./routes.ts";
import { createSignInLink, type SignInDeps } from "./sign-in.ts";
import { issueToken, revokeToken } from "./tokens.ts";
import { ensureDefaultWorkspace } from "./workspace.ts";

export { assertBindAllowed, isLoopbackHost } from "./bind.ts";

export type AccessDeps = SignInDeps & {
  /** Bearer token of an owner's service account, valid while it is configured. */
  bootstrapToken?: string | undefined;
};

export type Access = {
  routes: Handled[];
  authenticate(credentials: Credentials): Promise<Caller | undefined>;
  ensureDefaultWorkspace(): Promise<{ tenantId: string; ownerCaller: Caller; created: boolean }>;
  createSignInLink(caller: Caller): Promise<{ url: string; expiresAt: string }>;
  issueToken(caller: Caller, name?: string): Promise<{ id: string; token: string }>;
  revokeToken(caller: Caller, id: string): Promise<void>;
};

export function createAccess(deps: AccessDeps): Access {
  const { database, bootstrapToken } = deps;
  const identities = createIdentities();
  const bootstrap: Bootstrap | undefined = bootstrapToken === undefined ? undefined : { hash: hashOf(bootstrapToken), caller: undefined };
  return {
    routes: accessRoutes({ ...deps, identities }),
    authenticate: authenticate({ database, identities, bootstrap }),
    ensureDefaultWorkspace: ensureDefaultWorkspace({ ...deps, bootstrap }),
    createSignInLink: createSignInLink(deps),
    issueToken: issueToken(deps),
    revokeToken: revokeToken({ ...deps, identities }),
  };
}
