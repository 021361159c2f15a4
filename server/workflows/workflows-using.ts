import type { Environment } from "#contract/common.ts";
import type { AffectedWorkflow } from "#contract/mcp/tool-review.ts";
import type { WorkflowsDeps } from "./deps.ts";
import { selectMentioning } from "./store.pg.ts";

type Tool = { tenantId: string; environment: Environment; server: string; tool: string };
type Deps = Pick<WorkflowsDeps, "database" | "liveRuns" | "namedVersions">;

/** The versions whose nodes call a tool, at the top or in containers: the newest of each workflow, those of live runs, and those that triggers name. */
export const workflowsUsing =
  ({ database, liveRuns, namedVersions }: Deps) =>
  async ({ tenantId, environment, server, tool }: Tool): Promise<AffectedWorkflow[]> => {
    const live = await liveRuns({ tenantId, environment });
    const named = await namedVersions(tenantId);
    const stored = await database.asTenant(tenantId, (tx) => selectMentioning(tx, { live: [...live, ...named], words: [server, tool] }));
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
