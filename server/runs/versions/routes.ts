import * as contract from "#contract/versions.ts";
import { handle, type Handled } from "../../kernel/handle.ts";
import type { listLiveRuns, moveRuns } from "./move-runs.ts";

export type VersionUseCases = { list: ReturnType<typeof listLiveRuns>; move: ReturnType<typeof moveRuns> };

export const versionRoutes = ({ list, move }: VersionUseCases): Handled[] => [
  handle(contract.listLiveRuns, ({ params, query, caller }) =>
    list({ ...query, tenantId: caller.tenantId, workflowId: params.id, version: params.version }),
  ),
  handle(contract.moveRuns, ({ params, body, caller }) =>
    move({ ...body, tenantId: caller.tenantId, actor: caller.ref, workflowId: params.id, version: params.version }),
  ),
];
