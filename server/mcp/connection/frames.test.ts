import type { JSONRPCMessage } from "@modelcontextprotocol/client";
import { describe, expect, test } from "vitest";
import type { Frame, StepRef } from "#server/kernel/ports.ts";
import { frameRecorder } from "./frames.ts";
import { OpenCall, inCall } from "./open-call.ts";

const recorded = () => {
  const frames: Frame[] = [];
  const recorder = frameRecorder({ sink: { record: (frame) => void frames.push(frame) }, tenantId: "t", remote: "r", connectionId: "c" });
  const crosses = (way: "sent" | "received", message: JSONRPCMessage, step?: StepRef): Frame => {
    recorder[way](message, JSON.stringify(message), step);
    const frame = frames.at(-1);
    if (frame === undefined) throw new Error("nothing was recorded");
    return frame;
  };
  return crosses;
};
const stepOf = (nodeId: string): StepRef => ({ runId: "run", scope: "", nodeId, attempt: 1 });
const call = (id: number, progressToken: string | number): JSONRPCMessage => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "a", _meta: { progressToken } },
});
const progress = (progressToken: string | number): JSONRPCMessage => ({
  jsonrpc: "2.0",
  method: "notifications/progress",
  params: { progressToken, progress: 1 },
});
const answer = (id: number): JSONRPCMessage => ({ jsonrpc: "2.0", id, result: {} });

describe("progress", () => {
  test("belongs to the request that asked for it by its token, and to its step, however many are open", () => {
    const crosses = recorded();
    const [one, two] = [crosses("sent", call(1, "7"), stepOf("one")), crosses("sent", call(2, 7), stepOf("two"))];
    expect(crosses("received", progress(7))).toMatchObject({ correlationId: two.correlationId, step: stepOf("two") });
    expect(crosses("received", progress("7"))).toMatchObject({ correlationId: one.correlationId, step: stepOf("one") });
    crosses("received", answer(1));
    expect(crosses("received", progress("7")).step).toBeUndefined();
    expect(crosses("received", progress(7)).step).toEqual(stepOf("two"));
  });

  test("is joined to the newer request of a call that was made again, whose first answer was a question", () => {
    const crosses = recorded();
    crosses("sent", call(1, "t"), stepOf("one"));
    const again = crosses("sent", call(2, "t"), stepOf("one"));
    crosses("received", answer(1));
    expect(crosses("received", progress("t"))).toMatchObject({ correlationId: again.correlationId, step: stepOf("one") });
  });

  test("that the platform tells belongs to what it was asked, not to what it asks", () => {
    const crosses = recorded();
    const asked = crosses("received", call(1, "t"));
    crosses("sent", call(1, "t"), stepOf("one"));
    expect(crosses("sent", progress("t")).correlationId).toBe(asked.correlationId);
  });

  test("on the stream of another call is that call's", async () => {
    const crosses = recorded();
    const options = { timeoutMs: 1_000, step: stepOf("mine") };
    const mine = new OpenCall({ ...options }, "m");
    await inCall(mine, async () => void crosses("sent", call(1, "m")));
    crosses("sent", call(2, "theirs"), stepOf("theirs"));
    await inCall(mine, async () => {
      expect(crosses("received", progress("m")).step).toEqual(stepOf("mine"));
      expect(crosses("received", progress("theirs")).step).toEqual(stepOf("mine"));
      const message: JSONRPCMessage = { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "" } };
      expect(crosses("received", message).step).toEqual(stepOf("mine"));
    });
    mine.end();
  });

  test("of a request whose id is used again while it is open is forgotten with it", () => {
    const crosses = recorded();
    crosses("received", call(1, "first"));
    const second = crosses("received", call(1, "second"));
    expect(crosses("sent", progress("first")).correlationId).toBe("c:");
    expect(crosses("sent", progress("second")).correlationId).toBe(second.correlationId);
  });

  test("of requests that never get an answer is forgotten with them", () => {
    const crosses = recorded();
    for (let id = 0; id <= 10_000; id += 1) crosses("sent", call(id, id), stepOf(`${id}`));
    expect(crosses("received", progress(0)).step).toBeUndefined();
    expect(crosses("received", progress(1)).step).toEqual(stepOf("1"));
  });
});

test.each(["sent", "received"] as const)("a cancellation that is %s belongs to the request that it cancels", (way) => {
  const frames: Frame[] = [];
  const recorder = frameRecorder({ sink: { record: (frame) => void frames.push(frame) }, tenantId: "t", remote: "r", connectionId: "c" });
  const record = (message: JSONRPCMessage): void => recorder[way](message, JSON.stringify(message));
  record({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "a" } });
  record({ jsonrpc: "2.0", id: "7", method: "tools/call", params: { name: "b" } });
  record({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } });
  const [cancelled, other, cancellation] = frames.map(({ correlationId }) => correlationId);
  expect(cancellation).toBe(cancelled);
  expect(cancellation).not.toBe(other);
});
