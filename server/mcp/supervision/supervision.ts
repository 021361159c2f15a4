import type { Registry } from "prom-client";
import type { Egress, FrameSink, SecretReader } from "#server/kernel/ports.ts";
import { checkLaunch, inspectLaunch, type InspectLaunch } from "../registration/check-launch.ts";
import { createConnect, type Connect } from "../connection/connect.ts";
import type { Sampler } from "../connection/connect-shared.ts";
import { fileHasher } from "../registration/executable.ts";
import { createProcessJournal } from "../process/process-journal.ts";
import { createConfine } from "../process/sandbox.ts";
import { createSpawn } from "../process/server-process.ts";
import { createTreeWatch, type TreeWatch } from "../process/tree-watch.ts";
import { registerUsage } from "../process/usage-metrics.ts";
import { createLateWrites } from "./late-writes.ts";
import { createServerLogs, type ServerLogs } from "./server-logs.ts";
import { createSupervisor, type Supervisor } from "./supervisor.ts";
import type { SupervisionDeps } from "./supervision-records.ts";

type Deps = Omit<SupervisionDeps, "logs" | "writes" | "processes" | "checkLaunch" | "connect"> & {
  egress: Egress;
  secrets: SecretReader;
  frames: FrameSink;
  instanceId: string;
  launchPolicy: Parameters<typeof inspectLaunch>[0]["launchPolicy"];
  dataDir: string;
  path: string;
  version: string;
  sample: Sampler;
  ownerApproves: boolean;
  registry?: Registry;
};

type Supervision = {
  supervisor: Supervisor;
  logs: ServerLogs;
  inspect: InspectLaunch;
  watch: TreeWatch;
  checkLaunch: ReturnType<typeof checkLaunch>;
  /** Connections that share nothing with the supervised ones, and whose servers speak to other logs. */
  connectApart: (logs: ServerLogs) => Connect;
  /** Once nothing runs any more: resolves when what there is to store of that is stored, if it can be. */
  finish: () => Promise<void>;
};

/** The supervisor with everything that it works through. */
export function createSupervision(deps: Deps): Supervision {
  const logs = createServerLogs({ ...deps, flushMs: deps.timings.logFlushMs });
  const writes = createLateWrites({ log: deps.log, everyMs: deps.timings.writeAgainMs });
  const processes = createProcessJournal({ ...deps, logs, writes });
  const inspect = inspectLaunch({ ...deps, hashFile: fileHasher() });
  const watch = createTreeWatch(deps.timings);
  if (deps.registry) registerUsage(deps.registry, watch);
  const spawn = createSpawn({ ...deps, watch, confine: createConfine(deps) });
  const connect = createConnect({ ...deps, logs, processes, spawn });
  const check = checkLaunch({ ...deps, inspect });
  const supervisor = createSupervisor({ ...deps, logs, writes, processes, connect, checkLaunch: check });
  const connectApart: Supervision["connectApart"] = (ownLogs) =>
    createConnect({ ...deps, spawn, logs: ownLogs, processes: createProcessJournal({ ...deps, logs: ownLogs, writes }) });
  const finish = async (): Promise<void> => void (await Promise.all([writes.stop(), logs.close()]));
  return { logs, inspect, watch, supervisor, checkLaunch: check, connectApart, finish };
}
