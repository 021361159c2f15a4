import { REQUESTS_PER_SECOND } from "./asked-of-us.ts";
import { coalesce } from "./coalesce.ts";
import { perSecond } from "./per-second.ts";

type Options = {
  pass: (line: string) => void;
  /** Some were left out, and this many, since it was last said. */
  onDropped: (count: number) => void;
};

/** More of them are not looked at. */
const NOTIFICATIONS_PER_SECOND = 1_000;
/** Of changes of one list, one in so long is as good as all of them. */
const LIST_CHANGED_MS = 50;
const DROPPED_MS = 5_000;
/** Longer lines are bounded by what a pipe carries. */
const SHORT = 4_096;

const LIST_CHANGED = /"method"\s*:\s*"notifications\/(?<list>\w+)\/list_changed"/;

export type NotificationGate = {
  take(line: string): void;
  /** Passes what is held back: nothing more comes. */
  end(): void;
};

/** Surely a request; an answer may hold anything. */
const isRequest = (line: string): boolean => line.includes('"method"') && !line.includes('"result"') && !line.includes('"error"');

/**
 * Keeps floods of notifications and requests from costing anything: what comes too fast is left out before it is parsed, recorded or
 * told to anybody. News of changed lists are put together instead, so that the last one always gets through. Every answer passes.
 */
export function notificationGate({ pass, onDropped }: Options): NotificationGate {
  const mayPass = perSecond(NOTIFICATIONS_PER_SECOND);
  const mayAsk = perSecond(REQUESTS_PER_SECOND);
  const lists = new Map<string, { tell(line: string): void; pass(): void }>();
  let dropped = 0;
  const drops = coalesce(DROPPED_MS);
  drops.listen(() => {
    onDropped(dropped);
    dropped = 0;
  });
  const latest = (list: string) => {
    let last: string | undefined;
    const news = coalesce(LIST_CHANGED_MS);
    const passLast = (): void => {
      if (last !== undefined) pass(last);
      last = undefined;
    };
    news.listen(passLast);
    const tell = (line: string): void => {
      last = line;
      news.tell();
    };
    const held = { tell, pass: passLast };
    if (lists.size < 8) lists.set(list, held);
    return held;
  };
  const drop = (): void => {
    dropped += 1;
    drops.tell();
  };
  return {
    take(line) {
      if (line.length > SHORT) return pass(line);
      if (line.includes('"id"')) return !isRequest(line) || mayAsk() ? pass(line) : drop();
      const list = LIST_CHANGED.exec(line)?.groups?.["list"];
      if (list !== undefined) return (lists.get(list) ?? latest(list)).tell(line);
      return mayPass() ? pass(line) : drop();
    },
    end() {
      for (const held of lists.values()) held.pass();
    },
  };
}
