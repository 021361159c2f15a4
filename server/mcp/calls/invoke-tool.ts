import type { CallToolResult } from "@modelcontextprotocol/client";
import type { Effect } from "#contract/policy.ts";
import type { ToolResult } from "#contract/mcp/tools.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { AllowTool, Use } from "./allow-tool.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import type { Connection, ToolCall } from "../connection/connection.ts";
import { callFailure } from "../connection/failures.ts";
import { toJson } from "../connection/json-value.ts";
import { InputWanted, NotAnswered } from "../connection/open-call.ts";
import { tellOf } from "../protocol/request.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { CallGuard } from "./guard-calls.ts";
import { CACHED_META } from "./meta-keys.ts";
import { createToolChecks, type ToolCheck } from "./tool-checks.ts";

export type Invocation = Use &
  Pick<ToolCall, "input" | "onProgress" | "onMessage" | "ask" | "party"> & {
    arguments: Record<string, unknown>;
    meta?: Record<string, unknown>;
    timeoutMs: number;
    signal: AbortSignal;
    /** What a second call would do, as whoever makes the call knows it; by default what was approved. */
    effect?: Effect;
    /** Which session the call belongs to, where a server has a connection for each; by default its actor's. */
    sessionKey?: string;
  };

/** The answer as the server gave it. */
export type CallTool = (invocation: Invocation) => Promise<CallToolResult>;

export type InvokeTool = (invocation: Invocation) => Promise<ToolResult>;

export const createInvokeTool =
  (call: CallTool): InvokeTool =>
  async (invocation) =>
    toResult(await call(invocation));

/** Calls a tool. On the way of a call that goes through, the database is not asked anything. */
export const createCallTool = (allow: AllowTool, guard: CallGuard): CallTool => {
  const checks = createToolChecks();
  return async (invocation) => {
    const { server, timeoutMs, signal } = invocation;
    const deadline = performance.now() + timeoutMs;
    const allowed = allow(invocation);
    const tool = allowed instanceof Promise ? await allowed : allowed;
    const check = checks.of(tool);
    check.arguments(invocation.arguments);
    const isResumed = invocation.input !== undefined;
    const { arguments: args, meta } = invocation;
    const call = { server, tool, arguments: args, meta, deadline, signal, isResumed };
    return guard.run(call, async (onAsked) => check.result(await send(invocation, { tool, check, deadline, onAsked })));
  };

  async function send(invocation: Invocation, { tool, check, deadline, onAsked }: Sending) {
    const { server, actor, sessionKey = actor } = invocation;
    const timeoutMs = Math.max(1, Math.round(deadline - performance.now()));
    const lease = server.lease(sessionKey) ?? (await acquire(invocation, { sessionKey, timeoutMs }));
    // While the call waited, for its turn or for a connection, the server may have listed something else; and so while it asks somebody.
    const mayStill = (): Promise<PinnedTool> | PinnedTool => allow({ ...invocation, hash: tool.hash });
    try {
      const allowed = mayStill();
      if (allowed instanceof Promise) await allowed;
      const remaining = Math.max(1, Math.round(deadline - performance.now()));
      const { idleTimeoutMs: idleMs } = server.record.settings;
      const { definition } = check;
      const call: ToolCall = { ...invocation, onAsked, mayStill, name: tool.name, timeoutMs: remaining, idleMs, definition };
      return await callOnce(lease.connection, call, { server, effect: invocation.effect ?? tool.effect });
    } finally {
      lease.release();
    }
  }
};

type Acquiring = { sessionKey: string; timeoutMs: number };

async function acquire({ server, signal }: Invocation, { sessionKey, timeoutMs }: Acquiring) {
  try {
    return await server.acquire({ sessionKey, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
  } catch (thrown) {
    throw isCancelled(signal) ? cancelled(thrown) : thrown;
  }
}

/** A step's own time is that of its call, and may be over a moment before: then nobody has answered in time. */
const isCancelled = (signal: AbortSignal | undefined): boolean =>
  signal?.aborted === true && !(signal.reason instanceof AppError && signal.reason.code === "step_timeout");
const cancelled = (cause: unknown): AppError => new AppError("step_cancelled", "The call was cancelled.", { cause });

type Sending = { tool: PinnedTool; check: ToolCheck; deadline: number; onAsked: () => void };
type Called = { server: SupervisedServer; effect: Effect };

async function callOnce(connection: Connection, call: ToolCall, { server, effect }: Called): Promise<CallToolResult> {
  try {
    return await connection.callTool(call);
  } catch (thrown) {
    if (thrown instanceof InputWanted) throw thrown;
    if (isCancelled(call.signal)) throw cancelled(thrown);
    if (thrown instanceof NotAnswered) throw thrown;
    const repeatable = effect === "none" || effect === "idempotent";
    const failure = callFailure(thrown, { transport: connection.transport, repeatable, loss: connection.lossReason() });
    tellOf(server, connection, { thrown, failure });
    throw failure;
  }
}

function toResult(result: CallToolResult): ToolResult {
  const content = result.content.map(toJson);
  const texts = result.content.flatMap((block) => (block.type === "text" ? [block.text] : []));
  const shown = {
    text: texts.join("\n"),
    structuredContent: toJson(result.structuredContent ?? null),
    content,
    isError: result.isError === true,
  };
  return result._meta?.[CACHED_META] === true ? { ...shown, cached: true } : shown;
}
