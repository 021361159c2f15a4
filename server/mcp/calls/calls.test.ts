import { describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { Breaker } from "./breaker.ts";
import { CallGate, type Load, type Loads } from "./call-gate.ts";
import { CallStats } from "./call-stats.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { ResultCache } from "./result-cache.ts";

describe("a breaker", () => {
  const broken = (): Breaker => {
    const breaker = new Breaker(3);
    for (let i = 0; i < 3; i += 1) breaker.failed(1_000);
    return breaker;
  };

  test("opens after so many calls in a row without an answer", () => {
    const breaker = new Breaker(3);
    breaker.failed(0);
    breaker.failed(0);
    expect(breaker.lets(0)).toBe(true);
    breaker.failed(0);
    expect([breaker.lets(0), breaker.view(0).state]).toEqual([false, "open"]);
  });

  test("begins anew with each answer", () => {
    const breaker = new Breaker(3);
    for (let i = 0; i < 10; i += 1) {
      breaker.failed(0);
      breaker.failed(0);
      breaker.answered();
    }
    expect(breaker.lets(0)).toBe(true);
  });

  test("lets one probe through when the pause is over, and all when that is answered", () => {
    const breaker = broken();
    const later = 1_000 + LIMITS.mcpBreakerMs;
    expect([breaker.lets(later - 1), breaker.lets(later), breaker.view(later).state]).toEqual([false, true, "half_open"]);
    breaker.begin();
    expect(breaker.lets(later)).toBe(false);
    breaker.answered();
    expect([breaker.lets(later), breaker.view(later)]).toEqual([true, { state: "closed", failures: 0, retryAt: null }]);
  });

  test("waits twice as long after each probe without an answer, up to a limit", () => {
    const breaker = broken();
    const pauses: number[] = [];
    let time = 1_000 + LIMITS.mcpBreakerMs;
    for (let i = 0; i < 8; i += 1) {
      breaker.failed(time, breaker.begin());
      pauses.push((breaker.retryAt() ?? 0) - time);
      time = breaker.retryAt() ?? 0;
    }
    expect(pauses.slice(0, 2)).toEqual([LIMITS.mcpBreakerMs * 2, LIMITS.mcpBreakerMs * 4]);
    expect(pauses.at(-1)).toBe(LIMITS.mcpBreakerMaxMs);
  });

  test("asks again at once when the probe was cancelled", () => {
    const breaker = broken();
    breaker.unknown(breaker.begin());
    expect(breaker.lets(1_000 + LIMITS.mcpBreakerMs)).toBe(true);
  });

  test("hears of the probe from the probe alone, not from calls that began before", () => {
    const breaker = new Breaker(3);
    const before = breaker.begin();
    for (let i = 0; i < 3; i += 1) breaker.failed(1_000);
    const later = 1_000 + LIMITS.mcpBreakerMs;
    const probe = breaker.begin();
    breaker.unknown(before);
    expect(breaker.lets(later)).toBe(false);
    breaker.failed(later, before);
    expect([breaker.lets(later), breaker.retryAt()]).toEqual([false, later]);
    breaker.failed(later, probe);
    expect(breaker.retryAt()).toBe(later + LIMITS.mcpBreakerMs * 2);
  });
});

describe("the gate", () => {
  const load = (atOnce: number): Load => ({ name: "it", running: 0, waiting: 0, atOnce });
  const loadsOf = (tool: Load, server = load(100), tenant = load(100)): Loads => ({ tool, server, tenant });
  const soon = (ms = 5_000, signal = new AbortController().signal) => ({ deadline: performance.now() + ms, signal });

  test("lets calls through at once while there is room, and the others in their order", async () => {
    const gate = new CallGate();
    const loads = loadsOf(load(2));
    expect([gate.enter(loads, soon()), gate.enter(loads, soon())]).toEqual([undefined, undefined]);
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (i) => {
      await gate.enter(loads, soon());
      order.push(i);
    });
    expect(loads.tool).toMatchObject({ running: 2, waiting: 3 });
    for (let i = 0; i < 3; i += 1) gate.leave(loads);
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
    gate.leave(loads);
    gate.leave(loads);
    expect([loads.tool, loads.server, loads.tenant].map(({ running, waiting: left }) => [running, left])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  test("lets a tool with room pass one that has none", async () => {
    const gate = new CallGate();
    const server = load(3);
    const full = loadsOf(load(1), server);
    const free = loadsOf(load(1), server);
    void gate.enter(full, soon());
    const blocked = gate.enter(full, soon(50));
    expect(gate.enter(free, soon())).toBeUndefined();
    await expect(blocked).rejects.toMatchObject({ code: "concurrency_timeout", retryable: true });
  });

  test("lets those of several tools through in the order in which they came", async () => {
    const gate = new CallGate();
    const server = load(1);
    const tools = [load(9), load(9), load(9)].map((tool) => loadsOf(tool, server));
    const [first = loadsOf(load(1))] = tools;
    void gate.enter(first, soon());
    const order: number[] = [];
    const waiting = [2, 0, 1, 1, 0, 2].map(async (which, turn) => {
      const loads = tools[which] ?? first;
      await gate.enter(loads, soon());
      order.push(turn);
      gate.leave(loads);
    });
    gate.leave(first);
    await Promise.all(waiting);
    expect([order, server.running, server.waiting]).toEqual([[0, 1, 2, 3, 4, 5], 0, 0]);
  });

  test("keeps to the limits of the server and of the tenant over tools and servers", () => {
    const gate = new CallGate();
    const tenant = load(2);
    expect(gate.enter(loadsOf(load(9), load(1), tenant), soon())).toBeUndefined();
    expect(gate.enter(loadsOf(load(9), load(1), tenant), soon())).toBeUndefined();
    const third = gate.enter(loadsOf(load(9), load(1), tenant), soon(1));
    expect(third).toBeInstanceOf(Promise);
    return expect(third).rejects.toMatchObject({ code: "concurrency_timeout" });
  });

  test("forgets who gives up, also in the moment in which a place becomes free", async () => {
    const gate = new CallGate();
    const loads = loadsOf(load(1));
    void gate.enter(loads, soon());
    const cancel = new AbortController();
    const waiting = gate.enter(loads, soon(5_000, cancel.signal));
    cancel.signal.addEventListener("abort", () => gate.leave(loads));
    cancel.abort(new Error("enough"));
    await expect(waiting).rejects.toMatchObject({ code: "step_cancelled" });
    expect(loads.tool).toMatchObject({ running: 0, waiting: 0 });
  });

  test("mcpServerCallsWaiting, mcpCallsWaiting: refuses more than may wait, of one server earlier than of all", async () => {
    const gate = new CallGate();
    const tenant = load(1);
    const servers = [1, 2, 3].map(() => loadsOf(load(9), load(9), tenant));
    const [one = loadsOf(load(9)), two = one, three = one] = servers;
    const cancel = new AbortController();
    void gate.enter(one, soon());
    const wait = (loads: Loads) => async () => gate.enter(loads, soon(60_000, cancel.signal));
    const waiting = Array.from({ length: LIMITS.mcpServerCallsWaiting }, wait(one));
    expect(() => gate.enter(one, soon())).toThrow(expect.objectContaining({ code: "rate_limited" }));
    waiting.push(...Array.from({ length: LIMITS.mcpCallsWaiting - LIMITS.mcpServerCallsWaiting }, wait(two)));
    expect(() => gate.enter(three, soon())).toThrow(expect.objectContaining({ code: "rate_limited" }));
    cancel.abort();
    await Promise.allSettled(waiting);
    expect([one.server.waiting, two.server.waiting, tenant.waiting]).toEqual([0, 0, 0]);
  });
});

describe("the cache of results", () => {
  const ttlMs = 60_000;
  /** A result that counts so many bytes. */
  const sized = (bytes: number) => {
    const result = (text: string) => ({ content: [{ type: "text" as const, text }] });
    const frame = JSON.stringify(result("")).length;
    return result("x".repeat(bytes / 2 - frame));
  };
  const isKept = (cache: ResultCache, key: number): boolean => cache.find(`${key}`) !== undefined;

  test("mcpCacheBytes: keeps as much; what is beyond takes the place of what was not asked for longest, and of nothing else", () => {
    const cache = new ResultCache();
    const most = LIMITS.mcpCacheBytes / LIMITS.cacheOutputBytes;
    const largest = sized(LIMITS.cacheOutputBytes);
    for (let key = 0; key < most; key += 1) cache.keep({ key: `${key}`, ttlMs }, largest);
    const all = Array.from({ length: most }, (_, key) => key);
    // Looked at in this order: the first one is the one that was not asked for longest.
    expect(all.filter((key) => isKept(cache, key))).toEqual(all);
    cache.keep({ key: `${most}`, ttlMs }, sized(200));
    expect([...all, most].filter((key) => !isKept(cache, key))).toEqual([0]);
  });

  test("gives no result of another launch, of other roots, of another definition, or that was asked for in another way", () => {
    const keyOf = (record: object = {}, tool: object = {}, meta: Record<string, unknown> = {}): string | undefined => {
      const settings = { calls: { cacheMs: ttlMs } };
      const server = {
        record: { tenantId: "t", id: "s", launchHash: "a", approvedRoots: ["/srv"], quarantine: null, settings, ...record },
      };
      const called = { name: "read", effect: "none", hash: "h", ...tool } as PinnedTool;
      return new ResultCache().keyOf(server as unknown as SupervisedServer, called, { arguments: { path: "/srv/x" }, meta })?.key;
    };
    const others = [{ launchHash: "b" }, { approvedRoots: ["/other"] }, { tenantId: "u" }].map((record) => keyOf(record));
    const keys = [keyOf(), ...others, keyOf({}, { hash: "g" }), keyOf({}, {}, { "example.com/user": "anna" })];
    expect(new Set(keys).size).toBe(6);
    expect([keyOf(), keyOf({}, {}, { "auterity.dev/idempotency-key": "1", traceparent: "00-1" })]).toEqual([keys[0], keys[0]]);
    expect(keyOf({}, { effect: "once" })).toBeUndefined();
  });

  test("cacheOutputBytes: keeps a result of this size, and none that is larger", () => {
    const cache = new ResultCache();
    cache.keep({ key: "0", ttlMs }, sized(LIMITS.cacheOutputBytes));
    cache.keep({ key: "1", ttlMs }, sized(LIMITS.cacheOutputBytes + 2));
    expect([isKept(cache, 0), isKept(cache, 1)]).toEqual([true, false]);
  });
});

test("percentiles are of the last calls", () => {
  const stats = new CallStats();
  expect(stats.percentile(0.5)).toBeNull();
  for (let i = 1; i <= 1_000; i += 1) stats.count("ok", i);
  expect([stats.percentile(0.5), stats.percentile(0.95), stats.counts.ok]).toEqual([872, 988, 1_000]);
});
