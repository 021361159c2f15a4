import { systemPath, type Mcp, type McpDeps } from "./deps.ts";
import { installedIn } from "./registration/executable.ts";
import { createDiagnosis } from "./diagnosis/create-diagnosis.ts";
import { createFollower } from "./registration/follow-servers.ts";
import { createCalls } from "./calls/create-calls.ts";
import { createGateway } from "./gateway/gateway.ts";
import { mcpUseCases } from "./use-cases.ts";
import { mcpRoutes } from "./routes.ts";
import { protocolRoutes } from "./protocol/routes.ts";
import { createOffers } from "./protocol/use-offers.ts";
import { createSampler } from "./protocol/sample.ts";
import { createToolReview } from "./catalogue/tool-review.ts";
import { toolPresets } from "./catalogue/tool-presets.ts";
import { createSupervision } from "./supervision/supervision.ts";
import { TIMINGS } from "./supervision/timings.ts";

export type { Mcp, McpDeps } from "./deps.ts";
export { scanDefinition } from "./catalogue/scan/scan.ts";
export { checkAnswer } from "./questions/show-question.ts";

export function createMcp(given: McpDeps): Mcp {
  const deps = { ...given, launchPolicy: given.launchPolicy ?? {} };
  const timings = { ...TIMINGS, ...deps.timings };
  const path = deps.path ?? systemPath();
  const { isShared = false, onDemand = false } = deps;
  const version = deps.version ?? "0.1.0";
  const { supervisor, logs, finish, ...supervision } = createSupervision({
    ...deps,
    isShared,
    onDemand,
    leads: () => deps.leadership?.leads() ?? true,
    path,
    timings,
    version,
    random: deps.random ?? Math.random,
    sample: createSampler({ ...deps, askModel: deps.askModel }),
  });
  const { lists, offers } = createOffers({ ...deps, ...timings, supervisor });
  const { firstListMs } = timings;
  const calls = createCalls({ ...deps, supervisor, offers, firstListMs });
  const { call, invoke, executeTool } = calls;
  const shared = { ...deps, supervisor, inspect: supervision.inspect, isInstalled: installedIn({ path, cwd: deps.dataDir }) };
  const review = createToolReview({ ...shared, settleMs: timings.settleMs });
  const diagnosis = createDiagnosis({ ...shared, ...supervision, path, timings });
  const protocol = protocolRoutes({ ...shared, lists, offers, firstListMs });
  const useCases = mcpUseCases({ ...shared, ...timings, invoke, logs, watch: supervision.watch });
  const follower = isShared ? createFollower({ ...deps, supervisor, onDemand, everyMs: timings.followMs }) : undefined;
  const gateway = createGateway({ ...deps, supervisor, call, version, timings, logs, offered: lists });
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await gateway.close();
    // Side by side: the processes must end, however long others wait for a database that does not answer.
    await Promise.all([follower?.stop(), review.stop(), diagnosis.stop(), deps.leadership?.stop(), supervisor.stop()]).finally(finish);
  };
  return {
    routes: [...mcpRoutes(useCases), ...review.routes, ...protocol, ...calls.routes, ...diagnosis.routes],
    gateway,
    judgeUses: diagnosis.judgeUses,
    executeTool,
    toolPresets: toolPresets(deps.database),
    ensureServer: (spec) => useCases.servers.ensure(spec),
    start: async () => {
      if (!onDemand) deps.leadership?.start();
      await supervisor.start();
      follower?.start();
      if (!onDemand) review.start();
    },
    stop: () => (stopping ??= stop()),
  };
}
