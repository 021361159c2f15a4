import type { Environment } from "#contract/common.ts";
import type { AffectedWorkflow } from "#contract/mcp/tool-review.ts";
import type { Database } from "../kernel/ports.ts";
import { selectMentioning } from "./store.pg.ts";

type Tool = { tenantId: string; environment: Environment; server: string; tool: string };
type Deps = {
  database: Database;
  liveRuns: (of: { tenantId: string; environment: Environment }) => Promise<{ workflowId: string; version: number; runs: number }[]>;
};

/** The versions whose nodes call a tool, at the top or in containers: the newest of each workflow, and those of live runs. */
export const workflowsUsing =
  ({ database, liveRuns }: Deps) =>
  async ({ tenantId, environment, server, tool }: Tool): Promise<AffectedWorkflow[]> => {
    const live = await liveRuns({ tenantId, environment });
    const stored = await database.asTenant(tenantId, (tx) => selectMentioning(tx, { live, words: [server, tool] }));
    const runsOf = new Map(live.map(({ workflowId, version, runs }) => [`${workflowId} ${version}`, runs]));
    return stored.flatMap(({ definition, ...version }) => {
      const nodes = definition.nodes.flatMap((node) => {
        if (node.type !== "mcp_tool" || node.data.server !== server || node.data.tool !== tool) return [];
        const { id, label, parentId } = node;
        return [{ id, ...(label !== undefined && { label }), ...(parentId !== undefined && { parentId }) }];
      });
      return nodes.length === 0 ? [] : [{ ...version, nodes, liveRuns: runsOf.get(`${version.workflowId} ${version.version}`) ?? 0 }];
    });
  };
