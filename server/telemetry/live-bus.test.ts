import { describe, expect, test } from "vitest";
import type { LiveEvent } from "#contract/system.ts";
import { silentLog } from "#server/kernel/log.ts";
import { createLiveBus, liveEvents } from "./live-bus.ts";

const hint = (version: number): LiveEvent => ({ type: "workflow", workflowId: "w", version });

describe("the live bus", () => {
  test("reaches the tenant's listeners only, until they leave", () => {
    const bus = createLiveBus(silentLog);
    const got: string[] = [];
    const leave = bus.subscribe("a", () => got.push("a1"));
    bus.subscribe("a", () => got.push("a2"));
    bus.subscribe("b", () => got.push("b"));
    bus.publish("a", hint(1));
    leave();
    leave();
    bus.publish("a", hint(2));
    bus.publish("nobody", hint(3));
    expect(got).toEqual(["a1", "a2", "a2"]);
  });

  test("a listener that throws harms nobody else", () => {
    const bus = createLiveBus(silentLog);
    const got: number[] = [];
    bus.subscribe("a", () => {
      throw new Error("broken");
    });
    bus.subscribe("a", () => got.push(1));
    expect(() => bus.publish("a", hint(1))).not.toThrow();
    expect(got).toEqual([1]);
  });
});

describe("a reader of live events", () => {
  const take = async (events: AsyncGenerator<LiveEvent>, count: number) => {
    const taken: LiveEvent[] = [];
    while (taken.length < count) {
      const { value, done } = await events.next();
      if (done) break;
      taken.push(value);
    }
    return taken;
  };

  test("gets hints in order, also those that come while it waits", async () => {
    const bus = createLiveBus(silentLog);
    const events = liveEvents({ bus, tenantId: "a", signal: new AbortController().signal });
    const taken = take(events, 3);
    for (const version of [1, 2, 3]) bus.publish("a", hint(version));
    expect(await taken).toEqual([hint(1), hint(2), hint(3)]);
  });

  test("that is too slow loses the oldest, and is told once", async () => {
    const bus = createLiveBus(silentLog);
    const events = liveEvents({ bus, tenantId: "a", signal: new AbortController().signal, queued: 2 });
    const first = take(events, 1);
    for (const version of [1, 2, 3, 4, 5]) bus.publish("a", hint(version));
    expect([...(await first), ...(await take(events, 2))]).toEqual([{ type: "resync" }, hint(4), hint(5)]);
    bus.publish("a", hint(6));
    expect(await take(events, 1)).toEqual([hint(6)]);
  });

  test("ends with its signal and leaves no subscription", async () => {
    const controller = new AbortController();
    const listeners = new Set<unknown>();
    const bus = createLiveBus(silentLog);
    const counted = {
      ...bus,
      subscribe: (tenantId: string, listener: (event: LiveEvent) => void) => {
        listeners.add(listener);
        const leave = bus.subscribe(tenantId, listener);
        return () => {
          listeners.delete(listener);
          leave();
        };
      },
    };
    const events = liveEvents({ bus: counted, tenantId: "a", signal: controller.signal });
    const waiting = events.next();
    expect(listeners.size).toBe(1);
    controller.abort();
    expect(await waiting).toEqual({ value: undefined, done: true });
    expect(listeners.size).toBe(0);
  });
});
