import type { Database } from "../kernel/ports.ts";
import { selectMentioning } from "./store.pg.ts";
import { toolUses, type ToolUse } from "./tool-uses.ts";

type Deps = { database: Database };

/** The nodes, also those in containers, by which the newest versions of workflows call tools of a server. */
export const toolsUsed =
  ({ database }: Deps) =>
  async ({ tenantId, server }: { tenantId: string; server: string }): Promise<(ToolUse & { workflow: string })[]> => {
    const stored = await database.asTenant(tenantId, (tx) => selectMentioning(tx, { live: [], words: [server] }));
    return stored.flatMap(({ name, definition }) =>
      toolUses(definition)
        .filter((use) => use.server === server)
        .map((use) => ({ ...use, workflow: name })),
    );
  };
