import { createHash } from "node:crypto";
import type { CallToolResult } from "@modelcontextprotocol/client";
import { LRUCache } from "lru-cache";
import { LIMITS } from "#contract/limits.ts";
import { canonicalJson } from "../catalogue/canonical.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";

/** On a result that was given before. */
export const CACHED_META = "auterity.dev/cached";

/**
 * Results of tools that are approved as read-only, where the server's settings ask for it. A result is given again for the same tenant,
 * server, launch, definition and arguments only: once another definition is approved, those of the old one are not found any more.
 * A server that was taken out gives none.
 */
export class ResultCache {
  readonly #kept = new LRUCache<string, CallToolResult>({ maxSize: LIMITS.mcpCacheBytes, maxEntrySize: LIMITS.cacheOutputBytes });

  /** The name of the call's result; undefined when none is kept of this tool. */
  keyOf(server: SupervisedServer, tool: PinnedTool, args: unknown): { key: string; ttlMs: number } | undefined {
    const { calls, sharing } = server.record.settings;
    const { tenantId, id, launchHash, startedAt, quarantine } = server.record;
    if (calls === undefined || tool.effect !== "none" || sharing?.mode === "session" || quarantine !== null) return undefined;
    const ttlMs = calls.tools?.[tool.name]?.cacheMs ?? calls.cacheMs ?? 0;
    const text = ttlMs > 0 ? canonicalJson(args) : undefined;
    if (text === undefined) return undefined;
    const start = calls.forgetOnRestart === true ? (startedAt?.getTime() ?? 0) : "";
    return { key: [tenantId, id, launchHash, start, tool.hash, createHash("sha256").update(text).digest("base64")].join("/"), ttlMs };
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
