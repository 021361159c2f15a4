import type { Command } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { Database, Redactor, ValueCodec } from "../../kernel/ports.ts";
import type { LiveRun } from "../driver/live-run.ts";
import { limitsOf } from "./limits-of.ts";
import type { HeldSlot, Limit } from "./slot-leases.ts";
import { Slots } from "./slots.ts";
import { createStepCache, type StepCache } from "./step-cache.ts";

type Invoke = Extract<Command, { kind: "invoke" }>;
type Entering = { binding?: Record<string, string> | undefined; timeoutMs: number; signal: AbortSignal };

/** What stands between a step and its call: results that are kept, and how many calls there may be at once. */
export type CallLimits = {
  readonly cache: StepCache;
  /**
   * Resolves once the call may be made, with what must be called when it is over; undefined when no limit concerns it. Waits for as long
   * as a call may take, which the call's own time does not include; then rejects with `concurrency_timeout`.
   */
  enter(run: LiveRun, command: Invoke, entering: Entering): Promise<() => void> | undefined;
  stop(): Promise<void>;
};

type Deps = {
  database: Database;
  codec: ValueCodec;
  redactor: Redactor;
  log: Log;
  newId: () => string;
  /** The most calls of a tenant at once, over all processes. Undefined: as many as come. */
  callsPerTenant?: number | undefined;
};

export function createCallLimits(deps: Deps): CallLimits {
  const { callsPerTenant } = deps;
  const slots = new Slots({ ...deps, owner: deps.newId() });

  const enterAll = async (limits: readonly Limit[], { timeoutMs, signal }: Entering): Promise<() => void> => {
    const held: HeldSlot[] = [];
    const leave = (): void => {
      for (const slot of held.splice(0)) slots.leave(slot);
    };
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(tooLate(limits[held.length], timeoutMs)), timeoutMs);
    try {
      for (const limit of limits) held.push(await slots.take(limit, AbortSignal.any([signal, late.signal])));
      return leave;
    } catch (error) {
      leave();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    cache: createStepCache(deps),
    enter: (run, command, entering) => {
      const limits = limitsOf(run, command, { binding: entering.binding, callsPerTenant });
      return limits.length === 0 ? undefined : enterAll(limits, entering);
    },
    stop: () => slots.stop(),
  };
}

function tooLate(limit: Limit | undefined, timeoutMs: number): AppError {
  const [kind, atOnce] = [limit?.key.split("/")[0] ?? "", limit?.atOnce ?? 0];
  const message = `Expected to be among the ${atOnce} calls at once of the ${kind} within ${timeoutMs} ms; others were before it.`;
  return new AppError("concurrency_timeout", message, { retryable: true });
}
