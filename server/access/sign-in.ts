import { AppError } from "#server/kernel/errors.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { Audit, Database } from "#server/kernel/ports.ts";
import { isLoopbackHost } from "./bind.ts";
import { hashOf, newSecret } from "./credentials.ts";
import type { Identities } from "./identities.ts";
import { callerOf, claimLink, endSession, findCredential, insertLink, insertSession, principalOf } from "./store.pg.ts";

const LINK_LIVES_MS = 15 * 60_000;
const SESSION_LIVES_MS = 7 * 24 * 60 * 60_000;

export type SignInDeps = {
  database: Database;
  audit: Audit;
  newId: () => string;
  /** What the server is bound to: one-time links are for loopback only. */
  host: string;
  /** `http://127.0.0.1:4600`, without a slash at the end; asked for when a link is made, as the port may not be known before. */
  publicUrl: () => string;
};

/** A link that signs in as `caller`, once, within 15 minutes. Opening it uses nothing up: the page exchanges the code and takes it out of the address. */
export const createSignInLink =
  ({ database, audit, newId, host, publicUrl }: SignInDeps) =>
  async (caller: Caller): Promise<{ url: string; expiresAt: string }> => {
    if (!isLoopbackHost(host)) {
      throw new AppError("permission_denied", "One-time links work only while the server listens on loopback.", {
        remedy: "Use an API token, or listen on 127.0.0.1.",
      });
    }
    const code = newSecret();
    const id = newId();
    const expiresAt = await database.asTenant(caller.tenantId, async (tx) => {
      const at = await insertLink(tx, { id, principal: principalOf(caller), hash: hashOf(code), livesMs: LINK_LIVES_MS });
      const target = `sign_in_link:${id}`;
      await audit.record(tx, { tenantId: caller.tenantId, actor: caller.ref, action: "sign_in_link.created", target });
      return at;
    });
    return { url: `${publicUrl()}/?t=${code}`, expiresAt: expiresAt.toISOString() };
  };

/** Exchanges a link's code for a session: of several who try at the same time, one gets it. */
export const exchangeCode =
  ({ database, audit, newId }: SignInDeps) =>
  async (code: string): Promise<{ caller: Caller; tenantName: string; value: string; maxAgeSeconds: number }> => {
    const found = await findCredential(database, "link", hashOf(code));
    if (found === undefined) throw linkUsed();
    const { principal, tenantName, credentialId: linkId } = found;
    const caller = callerOf(principal);
    const value = newSecret();
    const id = newId();
    await database.asTenant(principal.tenantId, async (tx) => {
      if (!(await claimLink(tx, linkId))) throw linkUsed();
      await insertSession(tx, { id, principal, hash: hashOf(value), livesMs: SESSION_LIVES_MS });
      const details = { by: `sign_in_link:${linkId}` };
      await audit.record(tx, { tenantId: caller.tenantId, actor: caller.ref, action: "session.created", target: `session:${id}`, details });
    });
    return { caller, tenantName, value, maxAgeSeconds: SESSION_LIVES_MS / 1000 };
  };

const linkUsed = (): AppError => new AppError("link_used", "This sign-in link is unknown, used or too old.");

/** Ends the session that `caller` came with; who came with a token has none. */
export const signOut =
  ({ database, audit, identities }: { database: Database; audit: Audit; identities: Identities }) =>
  async (caller: Caller): Promise<void> => {
    const signIn = identities.signInOf(caller);
    if (signIn?.kind !== "session" || signIn.credentialId === null) return;
    const id = signIn.credentialId;
    await database.asTenant(caller.tenantId, async (tx) => {
      if (!(await endSession(tx, id))) return;
      await audit.record(tx, { tenantId: caller.tenantId, actor: caller.ref, action: "session.ended", target: `session:${id}` });
    });
    identities.forget(id);
  };
