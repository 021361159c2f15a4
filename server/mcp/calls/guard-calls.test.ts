import { setTimeout as sleep } from "node:timers/promises";
import type { CallToolResult } from "@modelcontextprotocol/client";
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { ErrorCode } from "#contract/errors.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { CallGuard } from "./guard-calls.ts";

const ANSWER: CallToolResult = { content: [] };
type Send = Parameters<CallGuard["run"]>[1];

/** A guard with a clock of its own, before one server. */
function arrange(calls: object = {}) {
  let time = 0;
  const guard = new CallGuard({ now: () => new Date(time) });
  const server = { record: { id: "s", tenantId: "t", name: "files", settings: { calls } } } as unknown as SupervisedServer;
  const call = (name: string, send: Send, { signal = new AbortController().signal, ms = 60_000 } = {}): Promise<CallToolResult> => {
    const tool = { name, effect: "once" } as PinnedTool;
    const given = { arguments: {}, meta: undefined, deadline: performance.now() + ms, signal, isResumed: false };
    return guard.run({ server, tool, ...given }, send);
  };
  const fail = async (name: string, code: ErrorCode, times: number): Promise<void> => {
    for (let i = 0; i < times; i += 1) await expect(call(name, () => Promise.reject(new AppError(code, "No.")))).rejects.toThrow("No.");
  };
  const tool = (name: string) => guard.view(server).tools.find((one) => one.name === name);
  return { call, fail, tool, view: () => guard.view(server), wait: (ms: number) => void (time += ms) };
}

/** A call that goes on until it is told to end. */
function held() {
  const { promise, resolve, reject } = Promise.withResolvers<CallToolResult>();
  const send = vi.fn<Send>(() => promise);
  return { send, answer: () => resolve(ANSWER), fail: () => reject(new AppError("mcp_timeout", "Too late.")) };
}

describe("a breaker", () => {
  test.each<[ErrorCode, "limited" | "failed" | "cancelled" | "refused"]>([
    ["mcp_unauthorized", "refused"],
    ["mcp_sessions_full", "limited"],
    ["mcp_server_not_ready", "failed"],
    ["mcp_server_quarantined", "failed"],
    ["tool_changed", "cancelled"],
  ])("does not count a call that did not get as far as the server, or was turned away there: %s", async (code, outcome) => {
    const { fail, tool, view } = arrange();
    await fail("read", code, LIMITS.mcpServerFailures);
    expect([tool("read")?.breaker, view().breaker.state]).toEqual([{ state: "closed", failures: 0, retryAt: null }, "closed"]);
    expect(tool("read")?.counts[outcome]).toBe(LIMITS.mcpServerFailures);
  });

  test("does not wait for the answer of a person: a probe that asks has shown that the server is there", async () => {
    const { call, fail, tool, wait } = arrange();
    await fail("read", "mcp_timeout", LIMITS.mcpToolFailures);
    wait(LIMITS.mcpBreakerMs);
    const probe = held();
    const asking = call("read", (onAsked) => {
      onAsked();
      return probe.send(onAsked);
    });
    expect(tool("read")?.breaker.state).toBe("closed");
    expect(await call("read", async () => ANSWER)).toBe(ANSWER);
    probe.answer();
    await asking;
  });

  test("lets one probe through of all that have waited for their turn together", async () => {
    const { call, fail, tool, view, wait } = arrange({ concurrency: 2 });
    await fail("read", "mcp_timeout", LIMITS.mcpToolFailures);
    const before = [held(), held()];
    const first = before.map(({ send }) => call("write", send));
    wait(LIMITS.mcpBreakerMs);
    const probes = [held(), held()];
    const waiting = probes.map(({ send }) => call("read", send));
    const second = Promise.allSettled(waiting);
    expect(view().waiting).toBe(2);
    for (const { answer } of before) answer();
    await Promise.all(first);
    await vi.waitFor(() => expect(view().waiting).toBe(0));
    for (const { answer } of probes) answer();
    const outcomes = await second;
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(outcomes[1]).toMatchObject({ reason: { code: "mcp_breaker_open" } });
    expect([view().running, tool("read")?.running]).toEqual([0, 0]);
  });

  test("keeps to its probe while calls end that began before", async () => {
    const { call, fail, tool, wait } = arrange();
    const old = held();
    const late = call("read", old.send);
    await fail("read", "mcp_timeout", LIMITS.mcpToolFailures);
    wait(LIMITS.mcpBreakerMs);
    const probe = held();
    const probing = call("read", probe.send);
    old.fail();
    await expect(late).rejects.toThrow("Too late.");
    await expect(call("read", async () => ANSWER)).rejects.toMatchObject({ code: "mcp_breaker_open" });
    probe.answer();
    expect(await probing).toBe(ANSWER);
    expect(tool("read")?.breaker.state).toBe("closed");
  });
});

test("whatever becomes of calls, and whenever, they give back every place that they had", async () => {
  const calls = fc.array(
    fc.record({
      name: fc.constantFrom("read", "write"),
      ends: fc.constantFrom<"answers" | "fails" | "is refused">("answers", "fails", "is refused"),
      afterMs: fc.integer({ min: 0, max: 3 }),
      cancelMs: fc.integer({ min: 0, max: 6 }),
      ms: fc.integer({ min: 0, max: 8 }),
    }),
    { maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(calls, async (all) => {
      const { call, tool, view, wait } = arrange({ concurrency: 3, tools: { read: { concurrency: 1 } } });
      const ended = all.map(({ name, ends, afterMs, cancelMs, ms }) => {
        const send: Send = async () => {
          await sleep(afterMs);
          wait(1_000);
          if (ends === "answers") return ANSWER;
          throw new AppError(ends === "fails" ? "mcp_timeout" : "mcp_sessions_full", "No.");
        };
        return call(name, send, { ms, signal: AbortSignal.timeout(cancelMs) });
      });
      await Promise.allSettled(ended);
      expect([view(), tool("read"), tool("write")].map((load) => [load?.running ?? 0, load?.waiting ?? 0])).toEqual([
        [0, 0],
        [0, 0],
        [0, 0],
      ]);
    }),
    { numRuns: 50 },
  );
});
