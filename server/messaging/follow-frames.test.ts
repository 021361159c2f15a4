import { expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import type { Message } from "#contract/messages.ts";
import { newId } from "#server/kernel/ids.ts";
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

/** A reader that begins before all frames; what is told until it has heard the last one. */
async function follow(stored: Message[], last: string): Promise<Followed[]> {
  const told: Followed[] = [];
  const stop = new AbortController();
  const at = new Date(START).toISOString();
  const followed = followFrames({
    after: { at, id: "" },
    signal: stop.signal,
    places: async (since, limit) =>
      stored
        .filter((frame) => frame.at >= since)
        .slice(-limit)
        .toReversed(),
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
  expect(told[0]).toMatchObject({ kind: "missed", frames: beyond });
  expect(missed(told)).toHaveLength(1);
  expect(methods(told)).toEqual(stored.slice(beyond).map(({ method }) => method));
});
