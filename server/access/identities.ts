import { LRUCache } from "lru-cache";
import type { Caller } from "#server/kernel/caller.ts";

/** How a caller proved who it is. The bootstrap token has no row, hence no id. */
export type SignIn = { kind: "token" | "session"; credentialId: string | null; tenantName: string };

/** Bounds how long a revoked credential still works elsewhere; the promise is 5 s. */
const CACHE_MS = 3_000;
const CACHED_CALLERS = 10_000;

/** Callers of the last seconds by the hash of their credential, and how each of them signed in. */
export type Identities = {
  cached(key: string): Caller | undefined;
  remember(key: string, caller: Caller, signIn: SignIn): Caller;
  signInOf(caller: Caller): SignIn | undefined;
  /** This process stops accepting the credential at once. */
  forget(credentialId: string): void;
};

export function createIdentities(): Identities {
  const cache = new LRUCache<string, Caller>({ max: CACHED_CALLERS, ttl: CACHE_MS });
  const signIns = new WeakMap<Caller, SignIn>();
  return {
    cached: (key) => cache.get(key),
    remember: (key, caller, signIn) => {
      signIns.set(caller, signIn);
      cache.set(key, caller);
      return caller;
    },
    signInOf: (caller) => signIns.get(caller),
    forget: (credentialId) => {
      for (const [key, caller] of cache.entries()) {
        if (signIns.get(caller)?.credentialId === credentialId) cache.delete(key);
      }
    },
  };
}
