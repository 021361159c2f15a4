import type { Log } from "#server/kernel/log.ts";
import type { Database } from "#server/kernel/ports.ts";
import { forgetWait, settledWaits, waitsForTool, type ToolWait } from "./waits.pg.ts";

/**
 * Lets a step go on that waits because its tool had changed. `not_waiting`: it has not begun to wait yet, or does not any more;
 * `later`: its run takes nothing up at present; `over`: its run is.
 */
export type ResumeStep = (step: {
  tenantId: string;
  runId: string;
  scope: string;
  nodeId: string;
}) => Promise<"resumed" | "not_waiting" | "later" | "over">;

export type WaitDeps = { database: Database; resumeStep: ResumeStep; log: Log; everyMs: number };

/** Steps between being told to wait and waiting are looked for again until then. */
const PATIENCE_MS = 60_000;

export type ToolWaits = {
  /** The tool was approved, rejected, disabled or enabled: its steps find out what that means for them. */
  settle(tool: { tenantId: string; serverId: string; tool: string }): void;
  start(): void;
  stop(): Promise<void>;
};

/**
 * Steps that wait for a decision about a tool try again as soon as there is one. Told at once where it is made; and every few
 * seconds all that could go on are looked for, because a decision can come before the step waits, in another process, or by
 * a server that lists again what was approved.
 */
export function createToolWaits({ database, resumeStep, log, everyMs }: WaitDeps): ToolWaits {
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();
  let isStopped = false;
  const resume = async (wait: ToolWait): Promise<void> => {
    const outcome = await resumeStep(wait);
    const isLate = Date.now() - wait.since.getTime() > PATIENCE_MS;
    if (outcome === "later" || (outcome === "not_waiting" && !isLate)) return;
    await database.asTenant(wait.tenantId, (tx) => forgetWait(tx, wait));
  };
  const resumeAll = async (waits: readonly ToolWait[]): Promise<void> => {
    for (const wait of waits) {
      await resume(wait).catch((error: unknown) => log.warn("a step that waited for a tool was not resumed; it is tried again", { error }));
    }
  };
  const look = async (find: () => Promise<ToolWait[]>): Promise<void> => {
    try {
      await resumeAll(await find());
    } catch (error) {
      log.warn("steps that wait for tools were not looked for; it is tried again", { error });
    }
  };
  const schedule = (): void => {
    if (isStopped) return;
    timer = setTimeout(() => (looking = look(() => database.asWorker(settledWaits)).finally(schedule)), everyMs);
    timer.unref();
  };
  return {
    settle({ tenantId, ...tool }) {
      const before = looking;
      looking = look(() => database.asTenant(tenantId, (tx) => waitsForTool(tx, tool))).then(() => before);
    },
    start: schedule,
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}
