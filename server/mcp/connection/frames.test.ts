import type { JSONRPCMessage } from "@modelcontextprotocol/client";
import { expect, test } from "vitest";
import type { Frame } from "#server/kernel/ports.ts";
import { frameRecorder } from "./frames.ts";

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
