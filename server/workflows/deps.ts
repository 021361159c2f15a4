import type { Audit, Database, LiveBus } from "../kernel/ports.ts";

export type WorkflowsDeps = {
  database: Database;
  audit: Audit;
  live: LiveBus;
  newId: () => string;
};
