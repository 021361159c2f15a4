import type { JSONRPCMessage } from "@modelcontextprotocol/client";
import { expect, test, vi } from "vitest";
import { AskedOfUs } from "./asked-of-us.ts";

const ping = (id: string | number): JSONRPCMessage => ({ jsonrpc: "2.0", id, method: "ping" });
const answer = (id: string | number): JSONRPCMessage => ({ jsonrpc: "2.0", id, result: {} });

test("so many requests of a server are open at once; what is beyond them is left out and counted, and answers make room", () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "performance"] });
  const dropped: number[] = [];
  const asked = new AskedOfUs((count) => dropped.push(count));
  for (let id = 0; id < 1_000; id += 1) expect(asked.lets(ping(id))).toBe(true);
  vi.advanceTimersByTime(1_000);
  for (let id = 1_000; id < 1_500; id += 1) expect(asked.lets(ping(id))).toBe(false);
  expect([asked.lets(answer(1)), asked.lets({ jsonrpc: "2.0", method: "notifications/message" })]).toEqual([true, true]);
  asked.sent(answer(7));
  asked.lets({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 8 } });
  expect(["a", "b", "c"].map((id) => asked.lets(ping(id)))).toEqual([true, true, false]);
  vi.advanceTimersByTime(5_000);
  expect(dropped).toEqual([501]);
  vi.useRealTimers();
});

test("an id is used by one open request, and a second has an end", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const asked = new AskedOfUs(() => {});
  expect([asked.lets(ping(1)), asked.lets(ping(1)), asked.lets(ping("1"))]).toEqual([true, false, true]);
  let passed = 0;
  for (let id = 2; id < 5_000; id += 1) {
    if (asked.lets(ping(id))) passed += 1;
    asked.sent(answer(id));
  }
  expect(passed).toBe(998);
  vi.useRealTimers();
});

test("answers are sent a few at once, each as another one has been taken or has failed", async () => {
  const asked = new AskedOfUs(() => {});
  const taken: PromiseWithResolvers<void>[] = [];
  const send = (): Promise<void> => {
    const sending = Promise.withResolvers<void>();
    taken.push(sending);
    return sending.promise;
  };
  const all = Promise.allSettled(Array.from({ length: 100 }, (_, id) => asked.send(answer(id), send)));
  await vi.waitFor(() => expect(taken).toHaveLength(64));
  const request = asked.send(ping(1), async () => {});
  await request;
  for (let sent = 0; sent < 100; sent += 1) {
    if (sent % 2 === 0) taken[sent]?.resolve();
    else taken[sent]?.reject(new Error("no"));
    await vi.waitFor(() => expect(taken).toHaveLength(Math.min(65 + sent, 100)), { interval: 1 });
  }
  await all;
  await asked.send(answer(1), async () => {});
});
