import { ProtocolError, type JSONRPCRequest } from "@modelcontextprotocol/server";
import { expect, test } from "vitest";
import type { Request } from "./asked.ts";
import type { Asked, Handler, Params } from "./handler.ts";
import { SessionCalls } from "./session-calls.ts";

const request = (id: string | number, params: Params): JSONRPCRequest => ({ jsonrpc: "2.0", id, method: "tools/call", params });
const tell = async (): Promise<void> => {};

/** What each request has brought with it, and calls that go to `handler`. */
function session(handler: Handler) {
  const brought: (Params | undefined)[] = [];
  const askedBy = ({ _meta: meta, signal, notify }: Request): Asked => {
    brought.push(meta);
    const onProgress: Asked["onProgress"] = (params) =>
      void notify({ method: "notifications/progress", params: { ...params, progressToken: 1 } });
    return { signal, onProgress, meta: () => ({}), sessionKey: "", party: { takesInput: false }, input: undefined };
  };
  const failure = (thrown: unknown): ProtocolError =>
    thrown instanceof ProtocolError ? thrown : new ProtocolError(-32_603, "failed", { code: "x" });
  return { calls: new SessionCalls({ handler, askedBy, failure }), brought };
}

/** Resolves when the call is cancelled, with the reason. */
const untilCancelled: Handler = (_params, { signal }) =>
  new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve({ reason: signal.reason }), { once: true });
  });

test("a result and a failure go back under the request's own id", async () => {
  const { calls } = session(({ name }) => {
    if (name === "broken") throw new Error("broken");
    return { content: [] };
  });
  expect(await calls.answer(request("1", { name: "whole" }), tell)).toEqual({ jsonrpc: "2.0", id: "1", result: { content: [] } });
  expect(await calls.answer(request(1, { name: "broken" }), tell)).toEqual({
    jsonrpc: "2.0",
    id: 1,
    error: { code: -32_603, message: expect.stringContaining("failed"), data: { code: "x" } },
  });
});

test.each([
  [{}, /`name` to be a string/],
  [{ name: 1 }, /`name` to be a string/],
  [{ name: "a", arguments: [] }, /`arguments` to be an object/],
  [{ name: "a", arguments: "{}" }, /`arguments` to be an object/],
  [{ name: "a", _meta: 7 }, /`_meta` to be an object/],
  [{ name: "a", _meta: { progressToken: {} } }, /`_meta.progressToken` to be a string or an integer/],
])("%j is no call, and reaches nobody", async (params, message) => {
  let reached = 0;
  const { calls } = session(() => ({ reached: (reached += 1) }));
  const answer = await calls.answer(request(1, params), tell);
  expect(answer).toMatchObject({ error: { code: -32_602, message: expect.stringMatching(message) } });
  expect(reached).toBe(0);
});

test("a cancelled call hears the reason and has no answer; its neighbour goes on", async () => {
  const reasons: unknown[] = [];
  const { calls } = session(async (params, asked) => {
    const { reason } = await untilCancelled(params, asked);
    reasons.push(reason);
    return {};
  });
  const [one, other] = [calls.answer(request(1, { name: "a" }), tell), calls.answer(request("1", { name: "a" }), tell)];
  calls.cancel(1, "no more");
  calls.cancel(2, "unknown");
  expect(await one).toBeUndefined();
  expect(reasons).toEqual(["no more"]);
  calls.close();
  expect(await other).toBeUndefined();
  expect(String(reasons[1])).toContain("The session has ended");
});

test("an id that is used again belongs to the new call: its cancellation is heard, and nothing of the old one is told", async () => {
  const told: unknown[] = [];
  const ends: (() => void)[] = [];
  const tells: (() => void)[] = [];
  const { calls } = session(async (_params, { signal, onProgress }) => {
    tells.push(() => onProgress?.({ progress: 1 }));
    await new Promise<void>((resolve) => {
      ends.push(resolve);
      signal.addEventListener("abort", () => signal.reason === "second" && resolve(), { once: true });
    });
    return {};
  });
  const record = async (notification: unknown): Promise<void> => void told.push(notification);
  const first = calls.answer(request(1, { name: "a" }), record);
  calls.cancel(1, "first");
  const second = calls.answer(request(1, { name: "a" }), record);
  for (const tell of tells) tell();
  expect(told).toHaveLength(1);
  ends[0]?.();
  expect(await first).toBeUndefined();
  calls.cancel(1, "second");
  expect(await second).toBeUndefined();
});

test("a code that the next era has given up is not sent", async () => {
  const { calls } = session(() => {
    throw new ProtocolError(-32_002, "no such resource");
  });
  expect(await calls.answer(request(1, { name: "a" }), tell)).toMatchObject({ error: { code: -32_602 } });
});

test("words of the 2026 era do not go on to the server", async () => {
  const { calls, brought } = session(() => ({}));
  const own = { progressToken: 1, "example.com/trace": "t" };
  await calls.answer(request(1, { name: "a", _meta: { ...own, "io.modelcontextprotocol/protocolVersion": "2026-07-28" } }), tell);
  await calls.answer(request(2, { name: "a", _meta: own }), tell);
  await calls.answer(request(3, { name: "a" }), tell);
  expect(brought).toEqual([own, own, undefined]);
});
