import type { JSONRPCMessage } from "@modelcontextprotocol/client";
import type { McpEra, McpTransport } from "#contract/messages.ts";
import { JsonText, type Frame, type FrameSink, type StepRef } from "#server/kernel/ports.ts";
import { currentCall } from "./open-call.ts";
import { OpenRequests, tokenOf, type OpenRequest } from "./open-requests.ts";
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
  /** The registered server that it is, if it is one; a client has no id. */
  server?: { id?: string; transport: McpTransport };
};
type Direction = Frame["direction"];
type Described = Pick<Frame, "kind" | "method" | "correlationId" | "step" | "latencyMs" | "errorCode"> & { tool?: string | undefined };

/** Notifications of one connection beyond this are counted, and one frame tells how many there were. */
const NOTIFICATIONS_PER_SECOND = 100;
/** The answers that show of which era a conversation is. */
const ERAS = new Map<string, McpEra>([
  ["initialize", "legacy"],
  ["server/discover", "modern"],
]);

export function frameRecorder({ sink, tenantId, remote, connectionId, server }: Options): FrameRecorder {
  const open = { out: new OpenRequests(), in: new OpenRequests() };
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

type Sides = Record<Direction, OpenRequests>;

type Crossing = { direction: Direction; step?: StepRef | undefined };

function describe(message: JSONRPCMessage, crossing: Crossing, open: Sides): Described {
  const { direction } = crossing;
  const other = direction === "out" ? "in" : "out";
  if ("method" in message) {
    return "id" in message ? request(message, crossing, open) : notification(message, direction, open);
  }
  const key = idKey(message.id, other);
  const asked = open[other].take(key);
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

function request({ id, method, params }: Request, { direction, step = currentCall()?.step }: Crossing, open: Sides): Described {
  const name = method === "tools/call" ? params?.["name"] : undefined;
  const tool = typeof name === "string" ? name : undefined;
  const key = idKey(id, direction);
  open[direction].add({ key, token: tokenOf(params), method, tool, step, at: performance.now() });
  return { kind: "request", method, correlationId: key, step, tool };
}

type Notification = { method: string; params?: Readonly<Record<string, unknown>> | undefined };

/** What is said about a request belongs to it, and else to the call on whose own stream it comes, where the transport has such. */
function notification(message: Notification, direction: Direction, open: Sides): Described {
  const about = subjectOf(message, direction, open);
  const step = about?.step ?? (direction === "in" ? currentCall()?.step : undefined);
  return { kind: "notification", method: message.method, correlationId: about?.key ?? "", step, tool: about?.tool };
}

/** A cancellation comes from whoever has asked, progress from who was asked. */
function subjectOf({ method, params }: Notification, direction: Direction, open: Sides): Partial<OpenRequest> | undefined {
  if (method === "notifications/progress") {
    const asked = open[direction === "out" ? "in" : "out"].withToken(params?.["progressToken"]);
    const related = currentCall();
    // On another call's stream it is not to be believed.
    return related === undefined || related.step === asked?.step ? asked : undefined;
  }
  const id = method === "notifications/cancelled" ? params?.["requestId"] : undefined;
  if (typeof id !== "string" && typeof id !== "number") return undefined;
  const key = idKey(id, direction);
  return open[direction].find(key) ?? { key };
}

/** String and number ids are different ids, and each side counts for itself. */
const idKey = (id: string | number | undefined, askedBy: Direction): string =>
  `${askedBy === "out" ? "c" : "s"}${typeof id === "string" ? "s" : "n"}${id ?? ""}`;
