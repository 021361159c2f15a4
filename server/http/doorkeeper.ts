import type { FastifyRequest, preParsingAsyncHookHandler } from "fastify";
import { AppError } from "#server/kernel/errors.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Audit, Database } from "#server/kernel/ports.ts";
import type { OriginPolicy } from "./origin.ts";
import type { Authentication, Needed } from "./ports.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who sends this request; null on public routes. */
    caller: Caller | null;
    /** The bytes of the body, where the route asks for them. */
    rawBody: Uint8Array | null;
  }
  interface FastifyContextConfig {
    /** The name of the contract's route; absent for pages and assets. */
    routeName?: string;
    keepsBody?: boolean;
  }
}

/** The caller of public routes. */
export const NOBODY: Caller = {
  tenantId: "00000000-0000-0000-0000-000000000000",
  principalId: "00000000-0000-0000-0000-000000000000",
  ref: "nobody",
  name: "Nobody",
  kind: "user",
  role: null,
  permissions: new Set(),
};

const READS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

export type Doorkeeper = {
  /** Lets a request with this permission pass, before its body is read. */
  guard(needed: Needed): preParsingAsyncHookHandler;
  /** Throws `permission_denied`, on record, unless the caller of a request that was let pass has this one too. */
  need(request: FastifyRequest, needed: Needed): Promise<void>;
};

type Deps = { access: Authentication; origins: OriginPolicy; audit: Audit; database: Database; log: Log };

export function createDoorkeeper({ access, origins, audit, database, log }: Deps): Doorkeeper {
  return {
    guard: (needed) => {
      if (needed === "public") return async () => {};
      return async (request) => {
        const { authorization, cookie } = request.headers;
        const caller = await access.authenticate({ authorization, cookie });
        if (caller === undefined) throw new AppError("unauthenticated", unauthenticated(authorization, cookie));
        // A browser adds the cookie by itself, whoever caused the request; a token is added by the one who means it.
        if (authorization === undefined && !READS.has(request.method)) origins.checkWrite(request.headers);
        request.caller = caller;
        await need(request, needed);
      };
    },
    need,
  };

  async function need(request: FastifyRequest, needed: Needed): Promise<void> {
    const caller = request.caller ?? NOBODY;
    if (needed === "public" || needed === "signed_in" || caller.permissions.has(needed)) return;
    log.info("permission denied", { actor: caller.ref, needed, requestId: request.id });
    await recordDenial(request.routeOptions.config.routeName ?? request.method, { caller, needed });
    throw new AppError("permission_denied", `This needs the permission ${needed}, which ${caller.role ?? "this account"} does not have.`);
  }

  /** Written before the answer: a denial that cannot be recorded is answered as a failure. */
  function recordDenial(route: string, { caller, needed }: { caller: Caller; needed: string }): Promise<void> {
    return database.asTenant(caller.tenantId, (tx) =>
      audit.record(tx, {
        tenantId: caller.tenantId,
        actor: caller.ref,
        action: "access.denied",
        target: `route:${route}`,
        outcome: "deny",
        reason: `missing ${needed}`,
      }),
    );
  }
}

function unauthenticated(authorization: string | undefined, cookie: string | undefined): string {
  if (authorization !== undefined) return "The token is wrong, revoked or expired.";
  return cookie === undefined ? "This needs a token or a session." : "There is no session, or it has ended.";
}
