import { setTimeout as pause } from "node:timers/promises";
import { LIMITS } from "#contract/limits.ts";
import type { Message } from "#contract/messages.ts";
import { encodeCursor } from "#server/kernel/paging.ts";
import type { Followed } from "#server/kernel/ports.ts";
import { isAfter, type FramePosition } from "./frame-query.ts";

const LOOK_EVERY_MS = 250;
/** Frames are stored a moment after their time, and those of several processes not in the order of it: so far back is looked again. */
const LOOK_BACK_MS = 3_000;
const READ_AT_ONCE = 100;

type Look = {
  /** Where the newest of the frames that are followed are, newest first. */
  places: FramePosition[];
  /** Of all frames that were stored before this look, also those that are not followed: the time of the newest. */
  newest: string | undefined;
};

type Following = {
  after: FramePosition;
  signal: AbortSignal;
  look: (since: string, limit: number) => Promise<Look>;
  /** These frames, oldest first. */
  read: (since: string, ids: readonly string[]) => Promise<Message[]>;
};

/**
 * Looks into the database again and again, since any process may have written. Pulled as fast as it is read: what is kept meanwhile are
 * places, at most as many as a follower may be behind. One that is further behind goes on with the newest and is told how many it missed.
 */
export async function* followFrames({ after, signal, look, read }: Following): AsyncGenerator<Followed> {
  const lookSince = (time: string): Promise<Look> => look(time, LIMITS.framesBehind * 2);
  let since = earlier(after.at);
  // Those close before the position, and there already, were told before.
  let told = new Set((await lookSince(since)).places.filter((place) => !isAfter(place, after)).map(({ id }) => id));
  let latest = after;
  yield { kind: "begun", cursor: cursorOf(after) };
  while (!signal.aborted) {
    const { places, newest = since } = await lookSince(since);
    const found = places.toReversed();
    const fresh = found.filter(({ id }) => !told.has(id));
    const shown = fresh.slice(-LIMITS.framesBehind);
    if (shown.length < fresh.length) yield { kind: "missed", frames: fresh.length - shown.length, cursor: cursorOf(latest) };
    for (let i = 0; i < shown.length; i += READ_AT_ONCE) {
      const ids = shown.slice(i, i + READ_AT_ONCE).map(({ id }) => id);
      for (const message of await read(since, ids)) yield { kind: "frame", message, cursor: cursorOf(message) };
    }
    told = new Set(found.map(({ id }) => id));
    latest = [latest, ...found.slice(-1)].reduce((one, other) => (isAfter(other, one) ? other : one));
    // Never back: what is older was there before. And also without a frame that is followed, lest each look be longer than the last.
    since = [since, earlier(newest)].toSorted().at(-1) ?? since;
    if (shown.length === fresh.length) await pause(LOOK_EVERY_MS, undefined, { signal, ref: false }).catch(() => {});
  }
}

const cursorOf = ({ at, id }: FramePosition): string => encodeCursor([at, id]);

const earlier = (at: string): string => new Date(Date.parse(at) - LOOK_BACK_MS).toISOString();
