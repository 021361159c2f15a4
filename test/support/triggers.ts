import { createEgress } from "#server/egress/index.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { Runs } from "#server/runs/index.ts";
import { createTriggers, type Triggers, type TriggersDeps } from "#server/triggers/index.ts";
import type { Platform } from "./runs.ts";

/** The triggers of one process, quick to look and to try again. Whoever starts them must stop them. */
export function triggersOf(platform: Platform, runs: Runs, { settings, ...more }: Partial<TriggersDeps> = {}): Triggers {
  const { base, redactor, workflows } = platform;
  return createTriggers({
    ...base,
    redactor,
    egress: createEgress({ ...base, log: silentLog }).egress,
    runs,
    workflows,
    ownerApproves: true,
    stepHooks: { read: () => undefined, call: async () => {} },
    ...more,
    settings: { pollMs: 20, queueMs: 20, backoffMs: 1, leaseMs: 1_000, answerMs: 300, ...settings },
  });
}
