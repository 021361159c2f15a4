import { expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import type { Message } from "#contract/messages.ts";
import { newId } from "#server/kernel/ids.ts";
import { encodeCursor } from "#server/kernel/paging.ts";
import type { Followed } from "#server/kernel/ports.ts";
import { followFrames } from "./follow-frames.ts";

const START = Date.UTC(2031, 4, 5, 12);

function message(number: number): Message {
  return {
    id: newId(),
    at: new Date(START + 1 + number).toISOString(),
    protocol: "mcp",
    direction: "in",
    kind: "notification",
    method: `m${number}`,
    from: "mcp:files",
    to: "platform",
    correlationId: "",
    runId: null,
    scope: null,
    nodeId: null,
    attempt: null,
    serverId: null,
    connectionId: null,
    transport: null,
    era: null,
    tool: null,
    errorCode: null,
    sizeBytes: 2,
    latencyMs: null,
    content: {},
    truncated: false,
    redacted: false,
  };
}

type Looking = { isFollowed?: (message: Message) => boolean; looks?: string[] };

/** A reader that begins before all frames; what is told until it has heard the last one. */
async function follow(stored: Message[], last: string, { isFollowed, looks }: Looking = {}) {
  const told: Followed[] = [];
  const stop = new AbortController();
  const at = new Date(START).toISOString();
  const followed = followFrames({
    after: { at, id: "" },
    signal: stop.signal,
    look: async (since, limit) => {
      looks?.push(since);
      const found = stored.filter((frame) => frame.at >= since);
      return {
        newest: found.at(-1)?.at,
        places: found
          .filter((frame) => isFollowed?.(frame) ?? true)
          .slice(-limit)
          .toReversed(),
      };
    },
    read: async (_since, ids) => {
      const wanted = new Set(ids);
      return stored.filter(({ id }) => wanted.has(id));
    },
  });
  for await (const one of followed) {
    told.push(one);
    if (one.kind === "frame" && one.message.method === last) stop.abort();
  }
  return told;
}

const frames = (count: number): Message[] => Array.from({ length: count }, (_, number) => message(number));
const methods = (told: Followed[]): string[] => told.flatMap((one) => (one.kind === "frame" ? [one.message.method] : []));
const missed = (told: Followed[]): Followed[] => told.filter(({ kind }) => kind === "missed");

test("framesBehind: a follower that is as far behind as it may be is told everything, in order", async () => {
  const stored = frames(LIMITS.framesBehind);
  const told = await follow(stored, `m${LIMITS.framesBehind - 1}`);
  expect(missed(told)).toEqual([]);
  expect(methods(told)).toEqual(stored.map(({ method }) => method));
});

test("framesBehind: one that is further behind is told first how many it missed, then the newest, and what comes afterwards", async () => {
  const beyond = 3;
  const stored = frames(LIMITS.framesBehind + beyond);
  const late = message(LIMITS.framesBehind + beyond);
  setTimeout(() => stored.push(late), 0);
  const told = await follow(stored, late.method);
  expect(told[0]).toEqual({ kind: "begun", cursor: encodeCursor([new Date(START).toISOString(), ""]) });
  expect(told[1]).toMatchObject({ kind: "missed", frames: beyond });
  expect(missed(told)).toHaveLength(1);
  expect(methods(told)).toEqual(stored.slice(beyond).map(({ method }) => method));
});

test("nothing is told that was stored before, however often it is looked back", async () => {
  const stored = [-5_000, -2_500].map(message);
  setTimeout(() => stored.push(message(1)), 400);
  expect(methods(await follow(stored, "m1"))).toEqual(["m1"]);
});

test("a follower who waits for what hardly ever comes looks no further back than any other", async () => {
  const stored = [0, 60_000].map(message);
  const looks: string[] = [];
  setTimeout(() => stored.push(message(60_001)), 400);
  const told = await follow(stored, "m60001", { isFollowed: ({ method }) => method === "m60001", looks });
  expect(methods(told)).toEqual(["m60001"]);
  expect(looks.at(-1)).toBe(message(57_000).at);
});
