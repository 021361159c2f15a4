import { createHash } from "node:crypto";
import type { CallToolResult } from "@modelcontextprotocol/client";
import { LRUCache } from "lru-cache";
import { LIMITS } from "#contract/limits.ts";
import { canonicalJson } from "../catalogue/canonical.ts";
import { IDEMPOTENCY_META, CACHED_META } from "./meta-keys.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import { settingsInForce } from "../registration/server-record.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";

/** Of what callers say beside the arguments: these follow a call, and change nothing about its result. */
const FOLLOWS_A_CALL: ReadonlySet<string> = new Set([IDEMPOTENCY_META, "traceparent", "tracestate", "baggage"]);

type Asked = { arguments: unknown; meta?: Readonly<Record<string, unknown>> | undefined };

/**
 * Results of tools that are approved as read-only, where the server's settings ask for it. A result is given again for the same tenant,
 * server, launch, roots, definition, arguments and metadata only: once another definition or launch is approved, those of the old one are
 * not found any more. A server that was taken out gives none.
 */
export class ResultCache {
  readonly #kept = new LRUCache<string, CallToolResult>({ maxSize: LIMITS.mcpCacheBytes, maxEntrySize: LIMITS.cacheOutputBytes });

  /** The name of the call's result; undefined when none is kept of this tool. */
  keyOf(server: SupervisedServer, tool: PinnedTool, { arguments: args, meta = {} }: Asked): { key: string; ttlMs: number } | undefined {
    const { calls, sharing } = server.record.settings;
    const { tenantId, id, launchHash, startedAt, quarantine } = server.record;
    if (calls === undefined || tool.effect !== "none" || sharing?.mode === "session" || quarantine !== null) return undefined;
    const ttlMs = calls.tools?.[tool.name]?.cacheMs ?? calls.cacheMs ?? 0;
    const said = Object.entries(meta).filter(([name, value]) => value !== undefined && !FOLLOWS_A_CALL.has(name));
    const text = ttlMs > 0 ? canonicalJson([args, Object.fromEntries(said)]) : undefined;
    if (text === undefined) return undefined;
    const start = calls.forgetOnRestart === true ? (startedAt?.getTime() ?? 0) : "";
    const place = JSON.stringify([settingsInForce(server.record).roots, text]);
    return { key: [tenantId, id, launchHash, start, tool.hash, createHash("sha256").update(place).digest("base64")].join("/"), ttlMs };
  }

  find(key: string): CallToolResult | undefined {
    return this.#kept.get(key);
  }

  /** Keeps an answer that says nothing of a failure; no longer than the server itself allows by `ttlMs`, and not one that is `private`. */
  keep({ key, ttlMs }: { key: string; ttlMs: number }, result: CallToolResult): void {
    if (result.isError === true) return;
    const hints: Record<string, unknown> = result;
    const allowedMs = typeof hints["ttlMs"] === "number" ? hints["ttlMs"] : ttlMs;
    if (hints["cacheScope"] === "private" || !(allowedMs > 0)) return;
    const size = JSON.stringify(result).length * 2;
    this.#kept.set(key, { ...result, _meta: { ...result._meta, [CACHED_META]: true } }, { size, ttl: Math.min(ttlMs, allowedMs) });
  }
}
