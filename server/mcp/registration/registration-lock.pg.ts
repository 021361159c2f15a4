import type { Tx } from "#server/kernel/ports.ts";
import type { ServerRecord } from "./server-record.ts";
import { SELECT_SERVERS, serverOf } from "./servers.pg.ts";

/**
 * Whether a server is still registered as it was read, with its row locked until the end of the transaction: what was decided from
 * that may then be written. `undefined` when there is no such server any more.
 */
export async function isStillRegistered(tx: Tx, read: ServerRecord): Promise<boolean | undefined> {
  const [row] = await tx.query(`${SELECT_SERVERS} and s.id = $1 for no key update of s`, [read.id]);
  return row && JSON.stringify(decidedUpon(serverOf(row).record)) === JSON.stringify(decidedUpon(read));
}

const decidedUpon = ({ name, description, settings, launch, approvedLaunchHash, approvedRoots, launchMakers }: ServerRecord) => ({
  name,
  description,
  settings,
  launch,
  approvedLaunchHash,
  approvedRoots,
  launchMakers,
});

/** What a launch was found to be. Nothing is written when another one has been registered or approved since; false then. */
export async function saveInspected(
  tx: Tx,
  { id, approvedLaunchHash }: ServerRecord,
  found: { hash: string; approvedBy?: string },
): Promise<boolean> {
  const { hash, approvedBy } = found;
  const approval = approvedBy === undefined ? "" : ", approved_launch_hash = $2, launch_approved_by = $4, launch_approved_at = now()";
  const rows = await tx.query(
    `update mcp_servers set launch_hash = $2${approval}, updated_at = now()
     where id = $1 and approved_launch_hash is not distinct from $3 returning id`,
    [id, hash, approvedLaunchHash, ...(approvedBy === undefined ? [] : [approvedBy])],
  );
  return rows.length > 0;
}
