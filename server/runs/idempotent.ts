import type { Json } from "#contract/common.ts";
import type { Run } from "#contract/runs.ts";
import { contentHash } from "../kernel/content-hash.ts";
import { AppError } from "../kernel/errors.ts";
import { gatherByTenant } from "../kernel/gather.ts";
import type { UseCaseDeps } from "./deps.ts";
import { readRun } from "./read-run.ts";
import { findKeyUses, type Idempotency, type KeyName, type KeyUse } from "./store/insert-runs.pg.ts";

type Deps = Pick<UseCaseDeps, "database" | "codec">;

/** What requests that carry an Idempotency-Key have started. */
export type KeyUses = {
  /** The run that an equal request has started. Throws `idempotency_conflict` when the key was used for another one. */
  find(tenantId: string, idempotency: Idempotency | null): Promise<Run | undefined>;
  /** The key was taken while the run was being stored: the run that has it. */
  taken(tenantId: string, idempotency: Idempotency | null): Promise<Run>;
};

const KEYS_AT_ONCE = 500;

export function createKeyUses({ database, codec }: Deps): KeyUses {
  const useOf = gatherByTenant<KeyName, KeyUse | null>((tenantId, keys) => findKeyUses(database, tenantId, keys), KEYS_AT_ONCE);
  const find: KeyUses["find"] = async (tenantId, idempotency) => {
    const use = idempotency && (await useOf(tenantId, idempotency));
    if (!use) return undefined;
    if (!use.requestHash.equals(idempotency.requestHash)) {
      throw new AppError("idempotency_conflict", "This Idempotency-Key was used for a different request.");
    }
    await codec.prepare(tenantId);
    return database.asTenant(tenantId, (tx) => readRun(tx, codec, use.runId));
  };
  return {
    find,
    taken: async (tenantId, idempotency) => {
      const run = await find(tenantId, idempotency);
      if (!run) throw new AppError("conflict", "The same request is being made at the same time.", { retryable: true });
      return run;
    },
  };
}

type Keyed = { initiator: string; idempotencyKey?: string | undefined };

/** `request` is what must be equal for the same key to mean the same run. */
export function idempotencyOf({ initiator, idempotencyKey }: Keyed, request: { [part: string]: Json }): Idempotency | null {
  if (idempotencyKey === undefined) return null;
  return { caller: initiator, key: idempotencyKey, requestHash: contentHash(request) };
}
