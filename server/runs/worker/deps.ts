import type { Log } from "../../kernel/log.ts";
import type { Database, Dispatch, LiveBus, Redactor, ValueCodec } from "../../kernel/ports.ts";
import type { CallLimits } from "../limits/index.ts";
import type { JournalWriter } from "../journal/writer.ts";
import type { AllExecutors, PlanSource, RunsObserver } from "../ports.ts";
import type { WorkerSettings } from "./settings.ts";

export type WorkerDeps = {
  readonly database: Database;
  readonly writer: JournalWriter;
  readonly codec: ValueCodec;
  readonly redactor: Redactor;
  readonly executors: AllExecutors;
  readonly limits: CallLimits;
  readonly plans: PlanSource;
  readonly live: LiveBus;
  readonly dispatch: Dispatch;
  readonly observer: RunsObserver;
  readonly log: Log;
  /** By which leases are held. */
  readonly instanceId: string;
  readonly settings: WorkerSettings;
  readonly now: () => number;
  readonly random: () => number;
  readonly newId: () => string;
};
