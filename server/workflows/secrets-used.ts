import type { Environment } from "#contract/common.ts";
import type { WorkflowsDeps } from "./deps.ts";
import { selectNaming } from "./store.pg.ts";

type Deps = Pick<WorkflowsDeps, "database" | "liveRuns">;

/**
 * Which of these names stand anywhere in a version of a workflow that exists, or that a run still follows. A version need not be the
 * newest: others can be asked for. What only looks like a name counts too.
 */
export const secretsUsed =
  ({ database, liveRuns }: Deps) =>
  async ({ tenantId, environment, names }: { tenantId: string; environment: Environment; names: readonly string[] }): Promise<string[]> => {
    const live = await liveRuns({ tenantId, environment });
    return database.asTenant(tenantId, (tx) => selectNaming(tx, { live, names }));
  };
