import type { Page } from "#contract/common.ts";
import type { ServerQuery } from "#contract/mcp/servers.ts";
import { UUID, decodeCursor, toPage } from "#server/kernel/paging.ts";
import type { Tx } from "#server/kernel/ports.ts";
import { wordPatterns } from "#server/kernel/search-words.ts";
import { SELECT_SERVERS, serverOf, type CountedServer } from "./servers.pg.ts";

/** Says of a row what `isApproved` says of a server. Both are texts of the same function, so that equal roots are equal texts. */
const IS_APPROVED = `(s.launch_hash is not distinct from s.approved_launch_hash
  and (s.settings::json -> 'roots')::text is not distinct from s.approved_roots)`;

/** Newest first. */
export async function pageServers(
  tx: Tx,
  { limit, cursor, name, q, state, environment, approval }: ServerQuery,
): Promise<Page<CountedServer>> {
  const [after] = decodeCursor(cursor, [UUID]) ?? [];
  const rows = await tx.query(
    `${SELECT_SERVERS} and ($2::uuid is null or s.id < $2) and ($3::text is null or s.name = $3)
       and (s.name || chr(10) || s.description) ilike all ($4::text[]) and ($5::text is null or s.state = $5)
       and ($6::text is null or s.environment = $6) and ($7::boolean is null or ${IS_APPROVED} = $7)
     order by s.id desc limit $1`,
    [
      limit + 1,
      after ?? null,
      name ?? null,
      wordPatterns(q),
      state ?? null,
      environment ?? null,
      approval === undefined ? null : approval === "approved",
    ],
  );
  return toPage(rows.map(serverOf), { limit, map: (server) => server, key: ({ record }) => [record.id] });
}
