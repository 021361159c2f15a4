import { background, type Log } from "../kernel/log.ts";
import type { Dispatch, WorkListener } from "../kernel/ports.ts";

/** For a process that does all the work there is, or whose workers find theirs by looking for it. */
export function createLocalDispatch(log: Log): Dispatch {
  let listener: WorkListener | undefined;
  const tell = (what: string, task: (listener: WorkListener) => Promise<unknown>): void => {
    const hearing = listener;
    if (hearing) background(log, what, () => task(hearing));
  };
  return {
    due: (runs) => tell("claiming runs", (hearing) => hearing.onDue(runs)),
    wake: (runId) => tell("waking a run", (hearing) => hearing.onWoken(runId)),
    listen: (next) => {
      listener = next;
      return () => {
        listener = undefined;
        return Promise.resolve();
      };
    },
  };
}
