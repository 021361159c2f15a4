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
  /** Of whoever calls. */
  meta: Readonly<Record<string, unknown>> | undefined;
  deadline: number;
  signal: AbortSignal;
  isResumed: boolean;
};

type Deps = { now: () => Date; registry?: Registry | undefined; tenantCalls?: number | undefined };
type Turn = { call: Guarded; called: Called; loads: Loads };
/** `onAsked` is to be told when the server asks somebody something before it answers. */
type Send = (onAsked: () => void) => Promise<CallToolResult>;
/** What a call that was let through may say of a breaker when it ends. */
type Begun = { breaker: Breaker; probe: symbol | undefined; isJudged: boolean };

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
    const kept = call.isResumed ? undefined : this.#cache.keyOf(call.server, call.tool, call);
    const known = kept && this.#cache.find(kept.key);
    if (known) {
      this.#count(called, "cached");
      return known;
    }
    const turn = { call, called, loads: { tool: called.tool.load, server: called.server.load, tenant: called.tenant.load } };
    this.#askBreakers(turn);
    const waiting = this.#enter(turn);
    if (waiting) await this.#waitTurn(turn, waiting);
    let hasAsked = false;
    const result = await this.#make(turn, () =>
      send(() => {
        hasAsked = true;
        // Whoever asks is there, and a person may take a day for the answer.
        answered(called);
      }),
    );
    if (kept && !hasAsked) this.#cache.keep(kept, result);
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
  }

  async #make(turn: Turn, send: () => Promise<CallToolResult>): Promise<CallToolResult> {
    const { called, loads } = turn;
    try {
      // Those before may have found out that nobody answers; and of several that were let go on at once only one is the probe.
      this.#askBreakers(turn);
      return await this.#judge(called, send);
    } finally {
      called.tenant.gate.leave(loads);
    }
  }

  async #judge(called: Called, send: () => Promise<CallToolResult>): Promise<CallToolResult> {
    const begun = begin(called);
    const began = performance.now();
    try {
      const result = await send();
      answered(called);
      this.#count(called, result.isError === true ? "tool_error" : "ok", performance.now() - began);
      return result;
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome === "ok" || outcome === "refused" || hasAskedTooMuch(error)) answered(called);
      else settle(begun, { hasFailed: outcome !== "cancelled" && !isNotMade(error), at: this.#now() });
      this.#count(called, outcome, outcome === "refused" ? performance.now() - began : undefined);
      throw error;
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

function begin({ tool, server }: Called): Begun[] {
  // A tool that is known not to answer says nothing more about its server.
  const isKnown = tool.breaker.isOpen;
  return [
    { breaker: tool.breaker, probe: tool.breaker.begin(), isJudged: true },
    { breaker: server.breaker, probe: server.breaker.begin(), isJudged: !isKnown },
  ];
}

function settle(begun: readonly Begun[], { hasFailed, at }: { hasFailed: boolean; at: number }): void {
  for (const { breaker, probe, isJudged } of begun) {
    if (hasFailed && isJudged) breaker.failed(at, probe);
    else breaker.unknown(probe);
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
/** Nobody there has failed to answer: the call does not get as far as the server. */
const NOT_MADE: ReadonlySet<ErrorCode> = new Set(["mcp_sessions_full", "mcp_server_not_ready", "mcp_server_quarantined"]);
/** An answer, too, which says more than that there is none. */
const TURNED_AWAY: ReadonlySet<ErrorCode> = new Set(["mcp_unauthorized", "mcp_forbidden"]);
/** A server of the 2026 era asks by its answer. */
const hasAskedTooMuch = (error: unknown): boolean =>
  error instanceof AppError && error.code === "mcp_input_refused" && !(error instanceof NotAnswered);
const isNotMade = (error: unknown): boolean => error instanceof AppError && NOT_MADE.has(error.code);

function outcomeOf(error: unknown): CallOutcome {
  if (error instanceof InputWanted) return "ok";
  if (!(error instanceof AppError)) return "failed";
  if (OURS.has(error.code) || error instanceof NotAnswered) return "cancelled";
  if (error.code === "mcp_timeout") return "timeout";
  if (error.code === "mcp_sessions_full") return "limited";
  if (TURNED_AWAY.has(error.code)) return "refused";
  return error.code === "mcp_protocol_error" && (error.cause instanceof ProtocolError || error.issues !== undefined) ? "refused" : "failed";
}
