import { countLiveRuns, listLiveRuns, moveRuns, sortLiveRuns, type MoveDeps } from "./move-runs.ts";
import { liveRunsByVersion } from "./live-runs.ts";
import type { VersionUseCases } from "./routes.ts";

export const createVersions = (deps: MoveDeps): VersionUseCases => ({
  list: listLiveRuns(deps),
  sort: sortLiveRuns(deps),
  move: moveRuns(deps),
  count: countLiveRuns(deps),
  live: liveRunsByVersion(deps),
});
