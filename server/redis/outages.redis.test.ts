import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import { createLiveBus } from "#server/telemetry/index.ts";
import { eventually } from "#test/support/eventually.ts";
import { RedisServer } from "#test/support/redis.ts";
import { Channels } from "./channels.ts";
import { openConnections, type Connections } from "./connections.ts";
import { openRedis, type RedisLinks } from "./index.ts";

let server: RedisServer;
const closing: (() => void | Promise<void>)[] = [];
beforeEach(async () => {
  server = await RedisServer.start();
});
afterEach(async () => {
  server.goOn();
  for (const close of closing.splice(0).toReversed()) await close();
  await server.dispose();
});

const connect = async (): Promise<Connections> => {
  const connections = await openConnections(server.url, silentLog);
  closing.push(() => connections.close());
  return connections;
};
const open = async (installation: string): Promise<RedisLinks> => {
  const links = await openRedis({ url: server.url, installation, instanceId: newId(), local: createLiveBus(silentLog), log: silentLog });
  closing.push(() => links.close());
  return links;
};
type Heard = { messages: string[]; gaps: number };
const hear = (channels: Channels, name: string): Heard => {
  const heard: Heard = { messages: [], gaps: 0 };
  channels.subscribe(name, { onMessage: (message) => heard.messages.push(message), onGap: () => void (heard.gaps += 1) });
  return heard;
};
const heardFirst = (heard: Heard): Promise<Heard> =>
  eventually(
    async () => heard,
    ({ gaps }) => gaps > 0,
  );

describe("channels", () => {
  test("deliver in order; a listener that throws or leaves harms nobody", async () => {
    const channels = new Channels({ connections: await connect(), log: silentLog });
    const leave = channels.subscribe("c", {
      onMessage: () => {
        throw new Error("broken");
      },
      onGap: () => {},
    });
    const heard = await heardFirst(hear(channels, "c"));
    for (let i = 0; i < 2_500; i += 1) channels.publish("c", String(i));
    await eventually(
      async () => heard.messages.length,
      (count) => count === 2_500,
    );
    expect(heard.messages).toEqual(heard.messages.map((_, i) => String(i)));
    leave();
    channels.publish("c", "after");
    await eventually(
      async () => heard.messages.at(-1),
      (last) => last === "after",
    );
  });

  test("drop what does not fit, and say so before they go on", async () => {
    const channels = new Channels({ connections: await connect(), log: silentLog, queued: 10 });
    const heard = await heardFirst(hear(channels, "c"));
    const { gaps } = heard;
    for (let i = 0; i < 25; i += 1) channels.publish("c", String(i));
    await eventually(
      async () => heard.messages.at(-1),
      (last) => last === "24",
    );
    expect(heard).toEqual({ messages: Array.from({ length: 10 }, (_, i) => String(i + 15)), gaps: gaps + 1 });
  });

  test("tell of a gap when Redis was away, and hear again by themselves", async () => {
    const channels = new Channels({ connections: await connect(), log: silentLog });
    const heard = await heardFirst(hear(channels, "c"));
    await server.kill();
    for (let i = 0; i < 5; i += 1) {
      channels.publish("c", "into the void");
      await pause(50);
    }
    const { gaps } = heard;
    await server.up();
    await eventually(
      async () => heard.gaps,
      (now) => now > gaps,
    );
    await eventually(
      async () => {
        channels.publish("c", "back");
        await pause(50);
        return heard.messages;
      },
      (messages) => messages.includes("back"),
    );
  });
});

describe("a Redis that hangs", () => {
  test("takes no time from who speaks, and little from who stops", async () => {
    const { dispatch, live } = await open(newId());
    const stop = dispatch.listen({ onDue: async () => {}, onWoken: async () => false, holds: () => false });
    await pause(300);
    server.hang();
    const began = performance.now();
    for (let i = 0; i < 20_000; i += 1) {
      dispatch.due(1);
      dispatch.wake(`run ${i}`);
      live.publish("t", { type: "workflow", workflowId: "w", version: i });
    }
    expect(performance.now() - began).toBeLessThan(1_000);
    await pause(1_500);
    const stopping = performance.now();
    await stop();
    expect(performance.now() - stopping).toBeLessThan(3_000);
  });
});

describe("the queue of the dispatch", () => {
  test("is bounded: nobody takes the jobs, and only so many wait", async () => {
    const installation = newId();
    const { dispatch } = await open(installation);
    const waiting = async (): Promise<unknown> => server.command("llen", `auterity:${installation}:work:wait`);
    for (let i = 0; i < 300; i += 1) {
      dispatch.due(8);
      await pause(2);
    }
    expect(await eventually(waiting, (jobs) => jobs === 1_000)).toBe(1_000);
    await pause(100);
    expect(await waiting()).toBe(1_000);
  });
});
