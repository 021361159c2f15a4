import type { Client } from "pg";
import type { Log } from "../kernel/log.ts";
import type {
  Audit,
  AuditDrafts,
  Database,
  Dispatch,
  Egress,
  FrameSink,
  LiveBus,
  Redactor,
  SecretReader,
  ValueCodec,
} from "../kernel/ports.ts";
import type { Executors, PlanSource, RunsObserver } from "./ports.ts";
import type { WorkerSettings } from "./worker/settings.ts";

export type RunsDeps = {
  database: Database;
  /** A connection of its own as auterity_worker; the journal writer opens two and reopens them when they break. */
  connectWorker: () => Promise<Client>;
  audit: Audit;
  auditDrafts: AuditDrafts;
  redactor: Redactor;
  codec: ValueCodec;
  live: LiveBus;
  /** How processes that share the database hear of work at once. Absent: each hears only of its own. */
  dispatch?: Dispatch | undefined;
  log: Log;
  newId: () => string;
  now: () => Date;
  /** In [0,1); spreads the delays of retries. */
  random?: () => number;
  executors: Executors;
  /** For the steps that this slice carries out itself: where they may connect to, what they send, what they have said. */
  egress: Egress;
  secrets: SecretReader;
  frames: FrameSink;
  /** Where a run's hooks are called, without the dot and node id that follow. */
  hookUrlOf: (runId: string) => string;
  plans: PlanSource;
  /** By which this process holds its runs: unique among all that use the database, and stable only with `takeOverAtStart`. */
  instanceId: string;
  /** False for a process that only starts and shows runs. Default true. */
  drives?: boolean;
  /** Runs that ended longer ago are forgotten, with their events. Absent: kept for ever. */
  retentionDays?: number | undefined;
  /** The most calls of a tenant at once, over all processes. Absent: as many as come. */
  callsPerTenant?: number | undefined;
  settings?: Partial<WorkerSettings>;
  observer?: RunsObserver;
};

/** What the use cases need beside the stores. */
export type UseCaseDeps = Pick<RunsDeps, "database" | "audit" | "redactor" | "codec" | "newId">;
