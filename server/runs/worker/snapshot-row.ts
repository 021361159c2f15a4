import { createHash } from "node:crypto";
import type { Json } from "#contract/common.ts";
import { SNAPSHOT_VERSION, toSnapshot, type RunState } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";
import type { ValueCodec } from "../../kernel/ports.ts";
import { snapshotRowName } from "../driver/row-names.ts";
import type { StoredSnapshot } from "../store/snapshots.pg.ts";

type Owner = { id: string; tenantId: string; isConfidential: boolean };

/** The state as of its last event. All that is in it has been through the redactor, as an event. */
export function sealSnapshot(codec: ValueCodec, { id, tenantId, isConfidential, state }: Owner & { state: RunState }): StoredSnapshot {
  const { seq } = state;
  const v = SNAPSHOT_VERSION;
  const bytes = codec.encode(toSnapshot(state), { tenantId, row: snapshotRowName(id, seq), confidential: isConfidential });
  return { seq, v, hash: hashOf(id, { seq, v, state: bytes }), state: bytes };
}

/** What `fromSnapshot` reads. Throws `internal` when the row is not what was stored. */
export function openSnapshot(codec: ValueCodec, { id, tenantId }: Pick<Owner, "id" | "tenantId">, stored: StoredSnapshot): Json {
  if (!hashOf(id, stored).equals(stored.hash))
    throw new AppError("internal", `The snapshot of run ${id} at event ${stored.seq} does not fit its hash.`);
  return codec.decode(stored.state, { tenantId, row: snapshotRowName(id, stored.seq) });
}

const hashOf = (runId: string, { seq, v, state }: Omit<StoredSnapshot, "hash">): Buffer =>
  createHash("sha256").update(`${runId} ${seq} ${v} `).update(state).digest();
