import type { JSONRPCMessage, JSONRPCRequest } from "@modelcontextprotocol/client";
import { expect, test } from "vitest";
import type { StepRef } from "#server/kernel/ports.ts";
import { OpenCall } from "./open-call.ts";
import { PipedCalls } from "./piped-calls.ts";

const step: StepRef = { runId: "01890000-0000-7000-8000-000000000000", scope: "", nodeId: "call", attempt: 1 };
const open = (signal?: AbortSignal) => new OpenCall({ timeoutMs: 60_000, step, signal }, "1");

/** Both ends of a pipe: `sent` is all that has been put into it. */
function pipe({ isBroken = false } = {}) {
  const sent: (JSONRPCMessage & Partial<JSONRPCRequest>)[] = [];
  const steps: (StepRef | undefined)[] = [];
  const post = (message: JSONRPCMessage, of?: StepRef): boolean => {
    if (isBroken) throw new Error("broken");
    steps.push(of);
    sent.push(message);
    return true;
  };
  const calls = new PipedCalls({ post, send: async (message) => void post(message) }, (params) => ({ ...params, era: "this" }));
  const answer = (at: number, result: object): boolean => calls.settle({ jsonrpc: "2.0", id: sent[at]?.id ?? 0, result: { ...result } });
  return { calls, sent, steps, answer };
}

test("each call gets its own answer, in whatever order they come, under numbers that the SDK does not use", async () => {
  const { calls, sent, steps, answer } = pipe();
  const [first, second] = [calls.send({ name: "a" }, open()), calls.send({ name: "b" }, open())];
  expect(sent).toMatchObject([
    { method: "tools/call", params: { name: "a", era: "this" } },
    { method: "tools/call", params: { name: "b", era: "this" } },
  ]);
  expect(steps).toEqual([step, step]);
  for (const { id } of sent) expect(Number.isSafeInteger(id) && Number(id) >= 1_000_000_000).toBe(true);
  expect([answer(1, { of: "b" }), answer(0, { of: "a" })]).toEqual([true, true]);
  expect(await Promise.all([first, second])).toEqual([{ of: "a" }, { of: "b" }]);
  expect(answer(0, { of: "a" })).toBe(false);
  expect(calls.settle({ jsonrpc: "2.0", id: 0, result: {} })).toBe(false);
});

test("an error of the server keeps its code, message and data", async () => {
  const { calls, sent } = pipe();
  const call = calls.send({ name: "a" }, open());
  calls.settle({ jsonrpc: "2.0", id: sent[0]?.id ?? 0, error: { code: -32_602, message: "no such tool", data: { name: "a" } } });
  await expect(call).rejects.toMatchObject({ code: -32_602, message: expect.stringContaining("no such tool"), data: { name: "a" } });
});

test("the server is told of a call that is given up, and its late answer belongs to nobody", async () => {
  const { calls, sent, answer } = pipe();
  const cancel = new AbortController();
  const call = calls.send({ name: "a" }, open(cancel.signal));
  cancel.abort("enough");
  await expect(call).rejects.toMatchObject({ code: "REQUEST_TIMEOUT", message: "enough" });
  expect(sent[1]).toMatchObject({ method: "notifications/cancelled", params: { requestId: sent[0]?.id, reason: "enough", era: "this" } });
  expect(answer(0, {})).toBe(false);
});

test("a call that was given up before it is sent is not sent", async () => {
  const { calls, sent } = pipe();
  await expect(calls.send({ name: "a" }, open(AbortSignal.abort("too late")))).rejects.toMatchObject({ message: "too late" });
  expect(sent).toEqual([]);
});

test("a call that has its answer is not given up afterwards", async () => {
  const { calls, sent, answer } = pipe();
  const cancel = new AbortController();
  const call = open(cancel.signal);
  const sending = calls.send({ name: "a" }, call);
  answer(0, { ok: true });
  cancel.abort("enough");
  expect(await sending).toEqual({ ok: true });
  expect(sent).toHaveLength(1);
});

test("the end of the conversation ends all calls, and a broken pipe only the one that was to be sent", async () => {
  const { calls } = pipe();
  const all = [calls.send({ name: "a" }, open()), calls.send({ name: "b" }, open())].map((call) =>
    expect(call).rejects.toMatchObject({ code: "CONNECTION_CLOSED" }),
  );
  calls.end();
  await Promise.all(all);
  await expect(pipe({ isBroken: true }).calls.send({ name: "a" }, open())).rejects.toThrow("broken");
});
