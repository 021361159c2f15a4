import { timingSafeEqual } from "node:crypto";
import type { Caller } from "#server/kernel/caller.ts";
import type { Database } from "#server/kernel/ports.ts";
import { hashOf, offered } from "./credentials.ts";
import type { Identities } from "./identities.ts";
import { callerOf, findCredential, touchSession } from "./store.pg.ts";

const TOUCH_AFTER_MS = 60_000;

/** The raw headers that say who sends a request. */
export type Credentials = { authorization?: string | undefined; cookie?: string | undefined };

/** The one token that has no row: it comes from the configuration and is gone when it is taken out there. */
export type Bootstrap = { hash: Buffer; caller: Caller | undefined };

type Deps = { database: Database; identities: Identities; bootstrap: Bootstrap | undefined };

/** Undefined for missing, wrong, expired and revoked credentials alike. Throws `database_unavailable` rather than guess. */
export const authenticate =
  ({ database, identities, bootstrap }: Deps) =>
  async (credentials: Credentials): Promise<Caller | undefined> => {
    const offer = offered(credentials);
    if (offer === undefined) return undefined;
    const hash = hashOf(offer.secret);
    if (offer.kind === "token" && bootstrap && timingSafeEqual(hash, bootstrap.hash)) return bootstrap.caller;

    const key = `${offer.kind}:${hash.toString("base64")}`;
    const cached = identities.cached(key);
    if (cached) return cached;
    const found = await findCredential(database, offer.kind, hash);
    if (found === undefined) return undefined;
    const { principal, credentialId, tenantName, seenAt } = found;
    if (seenAt !== null && Date.now() - seenAt.getTime() > TOUCH_AFTER_MS) {
      await database.asTenant(principal.tenantId, (tx) => touchSession(tx, credentialId));
    }
    return identities.remember(key, callerOf(principal), { kind: offer.kind, credentialId, tenantName });
  };
