import { ProtocolError, type CallToolResult } from "@modelcontextprotocol/client";
import type { Registry } from "prom-client";
import type { ErrorCode } from "#contract/errors.ts";
import type { CallOutcome, ServerCalls } from "#contract/mcp/calls.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { InputWanted, NotAnswered } from "../connection/open-call.ts";
import { CalledServers, type Called } from "./called-servers.ts";
import type { Breaker } from "./breaker.ts";
import { CallMetrics } from "./call-stats.ts";
import type { Loads } from "./call-gate.ts";
import { ResultCache } from "./result-cache.ts";

type Guarded = {
  server: SupervisedServer;
  tool: PinnedTool;
  arguments: unknown;
  deadline: number;
  signal: AbortSignal;
  isResumed: boolean;
  /** Becomes true when the server asks somebody something before it answers. */
  hasAsked: boolean;
};

type Deps = { now: () => Date; registry?: Registry | undefined; tenantCalls?: number | undefined };
type Turn = { call: Guarded; called: Called; loads: Loads };
type Send = () => Promise<CallToolResult>;

/** What stands between an allowed call and its server: kept results, breakers, and how many calls there may be at once. */
export class CallGuard {
  readonly #servers: CalledServers;
  readonly #cache = new ResultCache();
  readonly #metrics: CallMetrics;
  readonly #now: () => number;

  constructor({ now, registry, tenantCalls }: Deps) {
    this.#servers = new CalledServers(tenantCalls);
    this.#metrics = new CallMetrics(registry);
    this.#now = () => now().getTime();
  }

  view(server: SupervisedServer): ServerCalls {
    return this.#servers.view(server, this.#now());
  }

  /** Makes the call, unless a kept result answers it. Rejects with `mcp_breaker_open`, `concurrency_timeout` or `rate_limited` instead. */
  async run(call: Guarded, send: Send): Promise<CallToolResult> {
    const called = this.#servers.of(call.server, call.tool.name);
    // What somebody has answered in between is not among the arguments.
    const kept = call.isResumed ? undefined : this.#cache.keyOf(call.server, call.tool, call.arguments);
    const known = kept && this.#cache.find(kept.key);
    if (known) {
      this.#count(called, "cached");
      return known;
    }
    const turn = { call, called, loads: { tool: called.tool.load, server: called.server.load, tenant: called.tenant.load } };
    this.#askBreakers(turn);
    const waiting = this.#enter(turn);
    if (waiting) await this.#waitTurn(turn, waiting);
    const result = await this.#make(turn, send);
    if (kept && !call.hasAsked) this.#cache.keep(kept, result);
    return result;
  }

  #askBreakers({ called, call: { server, tool } }: Turn): void {
    const time = this.#now();
    if (called.tool.breaker.lets(time) && called.server.breaker.lets(time)) return;
    this.#count(called, "breaker");
    const isServer = called.tool.breaker.lets(time);
    const what = isServer ? `The server ${server.record.name}` : `The tool ${tool.name} of ${server.record.name}`;
    const until = when(isServer ? called.server.breaker : called.tool.breaker);
    throw new AppError("mcp_breaker_open", `${what} has not answered for a while${until}.`, { retryable: true });
  }

  #enter({ called, loads, call }: Turn): Promise<void> | undefined {
    try {
      return called.tenant.gate.enter(loads, call);
    } catch (error) {
      this.#count(called, "limited");
      throw error;
    }
  }

  async #waitTurn(turn: Turn, waiting: Promise<void>): Promise<void> {
    try {
      await waiting;
    } catch (error) {
      this.#count(turn.called, outcomeOf(error) === "cancelled" ? "cancelled" : "limited");
      throw error;
    }
    try {
      // Those before may have found out that nobody answers.
      this.#askBreakers(turn);
    } catch (error) {
      turn.called.tenant.gate.leave(turn.loads);
      throw error;
    }
  }

  async #make({ called, loads }: Turn, send: Send): Promise<CallToolResult> {
    const { tool, server, tenant } = called;
    // A tool that is known not to answer says nothing more about its server.
    const judged = tool.breaker.isOpen ? [tool.breaker] : [tool.breaker, server.breaker];
    tool.breaker.begin();
    server.breaker.begin();
    const began = performance.now();
    try {
      const result = await send();
      answered(called);
      this.#count(called, result.isError === true ? "tool_error" : "ok", performance.now() - began);
      return result;
    } catch (error) {
      const outcome = outcomeOf(error);
      const isAnswer = outcome === "ok" || outcome === "refused";
      if (isAnswer) answered(called);
      else settle(called, outcome === "cancelled" ? [] : judged, this.#now());
      this.#count(called, outcome, outcome === "refused" ? performance.now() - began : undefined);
      throw error;
    } finally {
      tenant.gate.leave(loads);
    }
  }

  #count({ tool }: Called, outcome: CallOutcome, durationMs?: number): void {
    tool.stats.count(outcome, durationMs);
    this.#metrics.count(outcome, durationMs);
  }
}

const when = (breaker: Breaker): string => {
  const at = breaker.retryAt();
  return at === undefined ? "" : `; one call is let through after ${new Date(at).toISOString()}`;
};

function answered({ tool, server }: Called): void {
  tool.breaker.answered();
  server.breaker.answered();
}

function settle({ tool, server }: Called, failed: readonly Breaker[], at: number): void {
  for (const breaker of [tool.breaker, server.breaker]) {
    if (failed.includes(breaker)) breaker.failed(at);
    else breaker.unknown();
  }
}

/** Says nothing about who is called: whoever called has given up, or the tool may not be called any more. */
const OURS: ReadonlySet<ErrorCode> = new Set([
  "step_cancelled",
  "tool_changed",
  "mcp_tool_disabled",
  "mcp_tool_not_approved",
  "mcp_tool_unknown",
]);

function outcomeOf(error: unknown): CallOutcome {
  if (error instanceof InputWanted) return "ok";
  if (!(error instanceof AppError)) return "failed";
  if (OURS.has(error.code) || error instanceof NotAnswered) return "cancelled";
  if (error.code === "mcp_timeout") return "timeout";
  return error.code === "mcp_protocol_error" && (error.cause instanceof ProtocolError || error.issues !== undefined) ? "refused" : "failed";
}
