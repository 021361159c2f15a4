import type { JSONRPCMessage } from "@modelcontextprotocol/client";
import { expect, test } from "vitest";
import { answersNothing } from "./answer-ids.ts";

const answer = (id: unknown): JSONRPCMessage => ({ jsonrpc: "2.0", id, result: {} }) as JSONRPCMessage;

test.each([0, 1, 2 ** 53 - 1, "server-discover-probe-1"])("an answer to %j may be to a request of ours", (id) => {
  expect(answersNothing(answer(id))).toBe(false);
});

test.each(["1", " 1", "1e3", "0x1", "", 1.5, 2 ** 53, null, undefined, {}, true])("an answer to %j is to none", (id) => {
  expect(answersNothing(answer(id))).toBe(true);
});

test("requests and notifications are no answers", () => {
  expect(answersNothing({ jsonrpc: "2.0", id: "any", method: "ping" })).toBe(false);
  expect(answersNothing({ jsonrpc: "2.0", method: "notifications/message" })).toBe(false);
});
