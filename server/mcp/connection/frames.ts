import type { JSONRPCMessage } from "@modelcontextprotocol/client";
import type { Json } from "#contract/common.ts";
import type { Frame, FrameSink, StepRef } from "#server/kernel/ports.ts";
import { toJson } from "./json-value.ts";
import { currentCall } from "./open-call.ts";

/** Records what crosses one connection, both ways. */
export type FrameRecorder = {
  sent(message: JSONRPCMessage): void;
  /** `content` is the same message, known to be JSON. */
  received(message: JSONRPCMessage, content: Json): void;
};

type Options = {
  sink: FrameSink;
  tenantId: string;
  /** Who is on the other side. */
  remote: string;
  connectionId: string;
};
type Direction = Frame["direction"];
type Open = { method: string; step?: StepRef; at: number };
type Described = Pick<Frame, "kind" | "method" | "correlationId" | "step" | "latencyMs">;

/** Notifications of one connection beyond this are counted, not stored. */
const NOTIFICATIONS_PER_SECOND = 100;
/** Requests that never get an answer must not be remembered for ever. */
const OPEN_REQUESTS = 10_000;

export function frameRecorder({ sink, tenantId, remote, connectionId }: Options): FrameRecorder {
  const open = { out: new Map<string, Open>(), in: new Map<string, Open>() };
  const mayNotify = perSecond(NOTIFICATIONS_PER_SECOND);

  const record = (direction: Direction, message: JSONRPCMessage, content: Json): void => {
    const { kind, method, correlationId: id, step, latencyMs } = describe(message, direction, open);
    if (kind === "notification" && !mayNotify()) return;
    const from = direction === "out" ? "auterity" : remote;
    const to = direction === "out" ? remote : "auterity";
    const correlationId = `${connectionId}:${id}`;
    sink.record({ tenantId, protocol: "mcp", direction, kind, method, from, to, correlationId, step, latencyMs, content });
  };
  return { sent: (message) => record("out", message, toJson(message)), received: (message, content) => record("in", message, content) };
}

type OpenRequests = Record<Direction, Map<string, Open>>;

function describe(message: JSONRPCMessage, direction: Direction, open: OpenRequests): Described {
  const other = direction === "out" ? "in" : "out";
  if ("method" in message) {
    return "id" in message ? request(message, direction, open) : notification(message, open[direction]);
  }
  const key = idKey(message.id, other);
  const asked = open[other].get(key);
  open[other].delete(key);
  return {
    kind: "error" in message ? "error" : "response",
    method: asked?.method ?? "",
    correlationId: key,
    step: asked?.step,
    latencyMs: asked && performance.now() - asked.at,
  };
}

type Request = { id: string | number; method: string };

function request({ id, method }: Request, direction: Direction, open: OpenRequests): Described {
  const step = currentCall()?.step;
  const key = idKey(id, direction);
  const requests = open[direction];
  requests.set(key, { method, step, at: performance.now() });
  const oldest = requests.size > OPEN_REQUESTS ? requests.keys().next().value : undefined;
  if (oldest !== undefined) requests.delete(oldest);
  return { kind: "request", method, correlationId: key, step };
}

type Notification = { method: string; params?: Readonly<Record<string, unknown>> | undefined };

/** A cancellation belongs to the request that it cancels. */
function notification({ method, params }: Notification, requests: ReadonlyMap<string, Open>): Described {
  const id = method === "notifications/cancelled" ? params?.["requestId"] : undefined;
  const key = typeof id === "string" || typeof id === "number" ? idKey(id, "out") : "";
  return { kind: "notification", method, correlationId: key, step: requests.get(key)?.step };
}

/** String and number ids are different ids, and each side counts for itself. */
const idKey = (id: string | number | undefined, askedBy: Direction): string =>
  `${askedBy === "out" ? "c" : "s"}${typeof id === "string" ? "s" : "n"}${id ?? ""}`;

export function perSecond(limit: number): () => boolean {
  let second = 0;
  let used = 0;
  return () => {
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) [second, used] = [now, 0];
    used += 1;
    return used <= limit;
  };
}
