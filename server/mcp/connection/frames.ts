import type { JSONRPCMessage } from "@modelcontextprotocol/client";
import type { McpEra, McpTransport } from "#contract/messages.ts";
import { JsonText, type Frame, type FrameSink, type StepRef } from "#server/kernel/ports.ts";
import { currentCall } from "./open-call.ts";
import { countBeyond } from "./per-second.ts";

/** Records what crosses one connection, both ways. `text` is the message as it was sent or received. */
export type FrameRecorder = {
  /** `step` is by default that of the request in whose asynchronous context it is sent. */
  sent(message: JSONRPCMessage, text: string, step?: StepRef): void;
  received(message: JSONRPCMessage, text: string): void;
};

type Options = {
  sink: FrameSink;
  tenantId: string;
  /** Who is on the other side. */
  remote: string;
  connectionId: string;
  /** The registered server that it is, if it is one. */
  server?: { id: string; transport: McpTransport };
};
type Direction = Frame["direction"];
type Open = { method: string; tool: string | undefined; step: StepRef | undefined; at: number };
type Described = Pick<Frame, "kind" | "method" | "correlationId" | "step" | "latencyMs" | "errorCode"> & { tool?: string | undefined };

/** Notifications of one connection beyond this are counted, and one frame tells how many there were. */
const NOTIFICATIONS_PER_SECOND = 100;
/** Requests that never get an answer must not be remembered for ever. */
const OPEN_REQUESTS = 10_000;
/** The answers that show of which era a conversation is. */
const ERAS = new Map<string, McpEra>([
  ["initialize", "legacy"],
  ["server/discover", "modern"],
]);

export function frameRecorder({ sink, tenantId, remote, connectionId, server }: Options): FrameRecorder {
  const open = { out: new Map<string, Open>(), in: new Map<string, Open>() };
  let era: McpEra | undefined;

  // Member by member: it is on the path of every call, twice.
  const store = (direction: Direction, described: Described, content: Frame["content"]): void => {
    const { kind, method, step, latencyMs, errorCode, tool } = described;
    const from = direction === "out" ? "auterity" : remote;
    const to = direction === "out" ? remote : "auterity";
    const correlationId = `${connectionId}:${described.correlationId}`;
    const mcp = server && { serverId: server.id, connectionId, transport: server.transport, era, tool };
    sink.record({ tenantId, protocol: "mcp", direction, kind, method, from, to, correlationId, step, latencyMs, content, mcp, errorCode });
  };
  const mayRecord = countBeyond(NOTIFICATIONS_PER_SECOND, (counted) => {
    store("in", { kind: "notification", method: "auterity/notifications_counted", correlationId: "" }, { counted });
  });
  const record = (message: JSONRPCMessage, text: string, crossing: Crossing): void => {
    const described = describe(message, crossing, open);
    if (described.kind === "notification" && !mayRecord(described.method)) return;
    if (described.kind === "response") era ??= ERAS.get(described.method);
    store(crossing.direction, described, new JsonText(text));
  };
  return {
    sent: (message, text, step) => record(message, text, { direction: "out", step }),
    received: (message, text) => record(message, text, { direction: "in" }),
  };
}

type OpenRequests = Record<Direction, Map<string, Open>>;

type Crossing = { direction: Direction; step?: StepRef | undefined };

function describe(message: JSONRPCMessage, crossing: Crossing, open: OpenRequests): Described {
  const { direction } = crossing;
  const other = direction === "out" ? "in" : "out";
  if ("method" in message) {
    return "id" in message ? request(message, crossing, open) : notification(message, direction, open[direction]);
  }
  const key = idKey(message.id, other);
  const asked = open[other].get(key);
  open[other].delete(key);
  return {
    kind: "error" in message ? "error" : "response",
    method: asked?.method ?? "",
    correlationId: key,
    step: asked?.step,
    tool: asked?.tool,
    latencyMs: asked && performance.now() - asked.at,
    errorCode: errorCodeOf(message),
  };
}

/** What an answer says has gone wrong: the protocol's code, or that the tool itself says so. */
function errorCodeOf(answer: { error: { code: number } } | { result: object }): string | undefined {
  if ("error" in answer) return String(answer.error.code);
  return "isError" in answer.result && answer.result.isError === true ? "tool_error" : undefined;
}

type Request = { id: string | number; method: string; params?: Readonly<Record<string, unknown>> | undefined };

function request({ id, method, params }: Request, { direction, step = currentCall()?.step }: Crossing, open: OpenRequests): Described {
  const name = method === "tools/call" ? params?.["name"] : undefined;
  const tool = typeof name === "string" ? name : undefined;
  const key = idKey(id, direction);
  const requests = open[direction];
  requests.set(key, { method, tool, step, at: performance.now() });
  const oldest = requests.size > OPEN_REQUESTS ? requests.keys().next().value : undefined;
  if (oldest !== undefined) requests.delete(oldest);
  return { kind: "request", method, correlationId: key, step, tool };
}

type Notification = { method: string; params?: Readonly<Record<string, unknown>> | undefined };

/** A cancellation belongs to the request that it cancels. */
function notification({ method, params }: Notification, direction: Direction, requests: ReadonlyMap<string, Open>): Described {
  const id = method === "notifications/cancelled" ? params?.["requestId"] : undefined;
  const key = typeof id === "string" || typeof id === "number" ? idKey(id, direction) : "";
  return { kind: "notification", method, correlationId: key, step: requests.get(key)?.step };
}

/** String and number ids are different ids, and each side counts for itself. */
const idKey = (id: string | number | undefined, askedBy: Direction): string =>
  `${askedBy === "out" ? "c" : "s"}${typeof id === "string" ? "s" : "n"}${id ?? ""}`;
