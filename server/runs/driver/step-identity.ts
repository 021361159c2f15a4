import { createHash } from "node:crypto";

type Identity = { runId: string; scope: string; nodeId: string; generation: number };

/**
 * The key under which the other side recognises a repeated call. Equal over attempts and takeovers; new only when somebody
 * decides "run it again". Lengths are part of what is hashed, so that no two steps can be written alike.
 */
export function idempotencyKey({ runId, scope, nodeId, generation }: Identity): string {
  return createHash("sha256")
    .update(JSON.stringify([runId, scope, nodeId, generation]))
    .digest("hex");
}
