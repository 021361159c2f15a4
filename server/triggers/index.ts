import type { Handled } from "#server/kernel/handle.ts";
import { deliverEnds } from "./deliver-end.ts";
import { fireNext } from "./fire-slot.ts";
import { forgetListenerDeliveries } from "./listeners.pg.ts";
import { selectNamedVersions } from "./named-versions.pg.ts";
import { planDue } from "./plan-due.ts";
import { Poller } from "./poller.ts";
import type { TriggersDeps } from "./ports.ts";
import { triggerRoutes } from "./routes.ts";
import { DEFAULT_SETTINGS, type TriggerSettings } from "./settings.ts";
import { claimDue, forgetSlots, releaseSchedules, type ClaimedSchedule } from "./slots.pg.ts";
import { forgetDeliveries } from "./webhooks.pg.ts";

export type { TriggersDeps } from "./ports.ts";

export type Triggers = {
  readonly routes: Handled[];
  /** The versions of workflows that triggers start by their numbers. */
  namedVersions(tenantId: string): Promise<{ workflowId: string; version: number }[]>;
  /** Begins to fire and deliver; does nothing in a process that does not drive. */
  start(): void;
  /** Fires nothing more; starts under way end, calls are broken off. */
  stop(): Promise<void>;
};

const BATCH = 50;
const FORGET_MS = 60 * 60 * 1000;
/** How long it can be seen what became of slots and ends, and how long a delivery is known again. */
const KEPT_DAYS = 90;

export function createTriggers(deps: TriggersDeps): Triggers {
  const settings = { ...DEFAULT_SETTINGS, ...deps.settings };
  const stopping = new AbortController();
  const all = { ...deps, settings, random: deps.random ?? Math.random, stopping: stopping.signal };
  const { log, drives = true } = deps;
  const pollers = [
    new Poller({ name: "firing schedules", pollMs: settings.pollMs, log, look: () => fireDue(all) }),
    new Poller({ name: "telling run listeners", pollMs: settings.pollMs, log, look: () => deliverEnds(all) }),
    new Poller({ name: "forgetting old slots and deliveries", pollMs: FORGET_MS, log, look: () => forget(deps) }),
  ];
  return {
    routes: triggerRoutes(deps),
    namedVersions: (tenantId) => deps.database.asTenant(tenantId, selectNamedVersions),
    start: () => {
      if (drives) for (const poller of pollers) poller.start();
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(pollers.map((poller) => poller.stop()));
    },
  };
}

type Firing = TriggersDeps & { settings: TriggerSettings; random: () => number };

/** Slots on time are fired one batch after the other; late ones a batch at each poll, so that nothing is flooded after a pause. */
async function fireDue(deps: Firing): Promise<boolean> {
  const mayPlanMore = await planDue(deps);
  const { database, settings, log } = deps;
  const claimed = await database.asWorker((tx) => claimDue(tx, { limit: BATCH, leaseMs: settings.leaseMs }));
  if (claimed.length === 0) return mayPlanMore;
  const most = Math.floor(BATCH / claimed.length);
  const fired = await Promise.allSettled(claimed.map((schedule) => fireSome(deps, schedule, most)));
  await database.asWorker((tx) => releaseSchedules(tx, claimed));
  for (const result of fired)
    if (result.status === "rejected") log.warn("a slot could not be fired; it is tried again", { error: result.reason });
  const isFlowing = fired.every((result) => result.status === "fulfilled" && result.value);
  return isFlowing && claimed.length === BATCH && claimed.every(({ isLate }) => !isLate);
}

/** In order, one after the other. Answers whether any could be fired. */
async function fireSome(deps: Firing, schedule: ClaimedSchedule, most: number): Promise<boolean> {
  let count = 0;
  while (count < most && (await fireNext(deps, schedule))) count += 1;
  return count > 0;
}

async function forget({ database }: TriggersDeps): Promise<boolean> {
  await database.asWorker(async (tx) => {
    await forgetSlots(tx, KEPT_DAYS);
    await forgetDeliveries(tx, KEPT_DAYS);
    await forgetListenerDeliveries(tx, KEPT_DAYS);
  });
  return false;
}
