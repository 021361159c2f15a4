import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { coalesce } from "./coalesce.ts";
import { notificationGate } from "./notification-gate.ts";

const changed = (list: string, nonce = 0): string =>
  JSON.stringify({ jsonrpc: "2.0", method: `notifications/${list}/list_changed`, params: { nonce } });
const message = (n: number): string => JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params: { n } });

function arrange() {
  const passed: string[] = [];
  const dropped: number[] = [];
  const gate = notificationGate({ pass: (line) => passed.push(line), onDropped: (count) => dropped.push(count) });
  return { passed, dropped, gate };
}

describe("floods of notifications", () => {
  test("what comes at a reasonable rate passes as it is, in order", () => {
    const { passed, gate } = arrange();
    const lines = Array.from({ length: 100 }, (_, n) => message(n));
    for (const line of lines) gate.take(line);
    expect(passed).toEqual(lines);
  });

  test("so are requests, which a server could make without reading an answer", () => {
    const { passed, gate } = arrange();
    for (let id = 0; id < 50_000; id += 1) gate.take(JSON.stringify({ jsonrpc: "2.0", id, method: "ping" }));
    expect(passed.length).toBeGreaterThan(500);
    expect(passed.length).toBeLessThanOrEqual(3_000);
  });

  test("too many are left out, answers never", () => {
    const { passed, gate } = arrange();
    const answer = JSON.stringify({ jsonrpc: "2.0", id: 7, result: { said: '"method":"notifications/tools/list_changed"' } });
    for (let n = 0; n < 100_000; n += 1) {
      gate.take(message(n));
      if (n % 1_000 === 0) gate.take(answer);
    }
    expect(passed.filter((line) => line === answer)).toHaveLength(100);
    // A second may turn meanwhile.
    expect(passed.length).toBeLessThanOrEqual(100 + 3_000);
  });

  test("changes of a list are put together, and the last one always passes", async () => {
    const { passed, gate } = arrange();
    for (let nonce = 0; nonce < 10_000; nonce += 1) for (const list of ["tools", "prompts"]) gate.take(changed(list, nonce));
    expect(passed).toEqual([]);
    await pause(150);
    expect(passed.toSorted()).toEqual([changed("prompts", 9_999), changed("tools", 9_999)]);
    gate.take(changed("tools", 1));
    await pause(150);
    expect(passed.at(-1)).toBe(changed("tools", 1));
    expect(passed).toHaveLength(3);
  });

  test("what is no message is bounded like them, and names of lists do not add up", () => {
    const { passed, gate } = arrange();
    for (let n = 0; n < 50_000; n += 1) gate.take(n % 2 === 0 ? "garbage" : changed(`l${n}`));
    expect(passed.length).toBeLessThanOrEqual(3_000);
  });
});

describe("news", () => {
  test("are told once in a while for as long as they go on, not only when they have ended", async () => {
    let told = 0;
    const news = coalesce(20);
    news.listen(() => (told += 1));
    const end = performance.now() + 200;
    while (performance.now() < end) {
      news.tell();
      await pause(1);
    }
    await pause(50);
    expect(told).toBeGreaterThanOrEqual(3);
    expect(told).toBeLessThanOrEqual(11);
  });

  test("that came before anybody listened are told, and after the end none", async () => {
    const told: string[] = [];
    const early = coalesce(1);
    early.tell();
    early.listen(() => told.push("early"));
    const ended = coalesce(1);
    ended.listen(() => told.push("ended"));
    ended.tell();
    ended.stop();
    await pause(30);
    expect(told).toEqual(["early"]);
  });
});
