import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { Message } from "#contract/messages.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Database, FrameReader, Redactor } from "#server/kernel/ports.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { IDEMPOTENCY_META } from "./execute-tool.ts";
import type { InvokeTool } from "./invoke-tool.ts";

export type ReplayDeps = {
  database: Database;
  audit: Audit;
  frameReader: FrameReader;
  redactor: Redactor;
  supervisor: Supervisor;
  invoke: InvokeTool;
  newId: () => string;
};

type Replayed = { request: Message; before: Message | null; now: { result: Json; latencyMs: number } };
type Sending = { timeoutMs: number; signal: AbortSignal };
export type ReplayFrame = (caller: Caller, id: string, sending: Sending) => Promise<Replayed>;

const ToolCall = z.object({ params: z.object({ name: z.string(), arguments: z.record(z.string(), Json).default({}) }) });

/**
 * Sends a recorded call again: to the server that is registered now, if its tool is approved as it is now, with a new idempotency key.
 * Nothing of the old request is used but the tool's name and the arguments.
 */
export function replayFrame({ database, audit, frameReader, redactor, supervisor, invoke, newId }: ReplayDeps): ReplayFrame {
  return async (caller, id, { timeoutMs, signal }) => {
    const found = await frameReader.exchange(caller.tenantId, id);
    if (found === undefined) throw new AppError("not_found", `There is no frame ${id}.`);
    const { frame: request, others } = found;
    const { serverId, tool, args } = callOf(request);
    const server = await supervisor.get(caller.tenantId, serverId);
    const key = newId();
    const entry = { tenantId: caller.tenantId, actor: caller.ref, action: "mcp_frame.replayed", target: `frame:${id}` };
    await database.asTenant(caller.tenantId, (tx) => audit.record(tx, { ...entry, details: { serverId, tool, key } }));
    const began = performance.now();
    const result = await invoke({
      server,
      tool,
      arguments: args,
      meta: { [IDEMPOTENCY_META]: key },
      timeoutMs,
      signal,
      actor: caller.ref,
    });
    const before = others.find(({ kind, direction }) => direction === "in" && (kind === "response" || kind === "error")) ?? null;
    return { request, before, now: { result: redactor.json(result), latencyMs: performance.now() - began } };
  };
}

/** The call that a frame holds. Throws `frame_not_replayable` with what is missing. */
function callOf(frame: Message): { serverId: string; tool: string; args: Record<string, Json> } {
  const { serverId, direction, kind, method } = frame;
  if (frame.protocol !== "mcp" || serverId === null) throw refused("it is no frame of a registered MCP server");
  if (direction !== "out" || kind !== "request")
    throw refused(`it is no request of ours but a ${kind} that ${direction === "in" ? "came" : "went"}`);
  if (method !== "tools/call") throw refused(`only calls of tools are sent again, and this is ${method}`);
  if (frame.truncated) throw refused("it was too long to be recorded whole");
  if (frame.redacted) throw refused("secrets were inside, and those are not recorded");
  const call = ToolCall.safeParse(frame.content);
  if (!call.success) throw refused("it has no tool and arguments");
  return { serverId, tool: call.data.params.name, args: call.data.params.arguments };
}

const refused = (why: string): AppError => new AppError("frame_not_replayable", `The frame cannot be sent again: ${why}.`);
