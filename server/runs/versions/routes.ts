import * as contract from "#contract/versions.ts";
import { handle, type Handled } from "../../kernel/handle.ts";
import type { liveRunsByVersion } from "./live-runs.ts";
import type { countLiveRuns, listLiveRuns, moveRuns, sortLiveRuns } from "./move-runs.ts";

export type VersionUseCases = {
  list: ReturnType<typeof listLiveRuns>;
  sort: ReturnType<typeof sortLiveRuns>;
  move: ReturnType<typeof moveRuns>;
  count: ReturnType<typeof countLiveRuns>;
  live: ReturnType<typeof liveRunsByVersion>;
};

export const versionRoutes = ({ list, sort, move }: Omit<VersionUseCases, "count" | "live">): Handled[] => [
  handle(contract.listLiveRuns, ({ params, query, caller }) =>
    list({ ...query, tenantId: caller.tenantId, workflowId: params.id, version: params.version }),
  ),
  handle(contract.sortLiveRuns, ({ params, query, body, caller }) =>
    sort({ ...query, ...body, tenantId: caller.tenantId, workflowId: params.id }),
  ),
  handle(contract.moveRuns, ({ params, body, caller }) =>
    move({ ...body, tenantId: caller.tenantId, actor: caller.ref, workflowId: params.id, version: params.version }),
  ),
];
