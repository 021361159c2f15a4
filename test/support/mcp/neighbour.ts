import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "vitest";
import { callTool, listServerTools } from "#contract/mcp/tools.ts";
import { CALL_P99_MS, TURN_P99_MS, type Asked } from "../liveness.ts";
import type { TestDatabase } from "../postgres.ts";
import { callerOf, hostile, register, type McpPlatform } from "./platform.ts";

/** What an attack must leave alone: turns of the platform's process, and calls of a server of another tenant. */
export async function neighbourOf(p: McpPlatform, db: TestDatabase): Promise<Asked> {
  const owner = callerOf(await db.secondTenant(), "owner");
  const server = await register(p, hostile(), owner);
  const { items } = await p.call(listServerTools, { params: { id: server.id } }, owner);
  const request = {
    params: { id: items.find(({ name }) => name === "add")?.id ?? "" },
    body: { arguments: { a: 1, b: 2 }, timeoutMs: 30_000 },
  };
  return {
    "a turn": { ask: () => nextTurn(), p99Ms: TURN_P99_MS },
    "another tenant": {
      ask: async () => expect(await p.call(callTool, request, owner)).toMatchObject({ isError: false }),
      p99Ms: CALL_P99_MS,
    },
  };
}
