import { describe, expect, test } from "vitest";
import { CreateAgent } from "./agents.ts";
import { ImportMcpServers } from "#contract/mcp/import.ts";
import { PromptArguments } from "#contract/mcp/prompts.ts";
import { listServerLogs } from "#contract/mcp/logs.ts";
import { ReadMcpResource } from "#contract/mcp/resources.ts";
import { ServerSettings } from "#contract/mcp/settings.ts";
import { StdioLaunch } from "#contract/mcp/servers.ts";
import { Tags } from "./common.ts";
import { Definition, WorkflowNode } from "./definition.ts";
import { Policy } from "./policy.ts";
import { LIMITS } from "./limits.ts";
import { CreateSchedule, CreateWebhook, Verification } from "./triggers.ts";
import { awaitRun, cancelRuns } from "./run-again.ts";
import { listRuns, patchRunContext, startRun } from "./runs.ts";

const ID = "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234";
const list = <T>(length: number, make: (i: number) => T): T[] => Array.from({ length }, (_, i) => make(i));
const node = (i: number) => ({ id: `n${i}`, type: "start" }) as const;
const edge = (i: number) => ({ id: `e${i}`, source: "a", target: "b" });
const definition = (more: object) => ({ version: 2, name: "x", nodes: [node(0)], edges: [], ...more });
const team = (more: object) => ({ id: "t", type: "team", data: { mode: "parallel", members: [{ name: "m", agent: "a" }], ...more } });
const sampling = (more: object) => ({ sampling: { model: "m", maxTokens: 1, perMinute: 1, ...more } });
const capped = (caps: object) => ({ transport: "stdio", command: "x", caps });
const map = (concurrency: number) => ({ id: "m", type: "map", data: { items: [], concurrency } });

/** What lies on the limit passes, what is one over it does not. */
describe("the limits of the schemas", () => {
  test.each<[string, { safeParse(value: unknown): { success: boolean } }, (over: 0 | 1) => unknown]>([
    ["mcpRoots", ServerSettings, (over) => ({ roots: list(LIMITS.mcpRoots + over, (i) => `/srv/${i}`) })],
    ["mcpPoolProcesses", ServerSettings, (over) => ({ sharing: { mode: "pooled", processes: LIMITS.mcpPoolProcesses + over } })],
    ["mcpSessions", ServerSettings, (over) => ({ sharing: { mode: "session", sessions: LIMITS.mcpSessions + over } })],
    ["mcpCacheMs", ServerSettings, (over) => ({ calls: { cacheMs: LIMITS.mcpCacheMs + over } })],
    ["mcpServerCalls", ServerSettings, (over) => ({ calls: { concurrency: LIMITS.mcpServerCalls + over } })],
    ["mcpToolCalls", ServerSettings, (over) => ({ calls: { toolConcurrency: LIMITS.mcpToolCalls + over } })],
    [
      "mcpToolSettings",
      ServerSettings,
      (over) => ({ calls: { tools: Object.fromEntries(list(LIMITS.mcpToolSettings + over, (i) => [`t${i}`, {}])) } }),
    ],
    ["mcpLogSearchChars", listServerLogs.query, (over) => ({ q: "q".repeat(LIMITS.mcpLogSearchChars + over) })],
    ["mcpLeastMemoryBytes", StdioLaunch, (over) => capped({ memoryBytes: LIMITS.mcpLeastMemoryBytes - over })],
    ["mcpSamplingTokens", ServerSettings, (over) => sampling({ maxTokens: LIMITS.mcpSamplingTokens + over })],
    ["mcpSamplingPerMinute", ServerSettings, (over) => sampling({ perMinute: LIMITS.mcpSamplingPerMinute + over })],
    ["mcpUriChars", ReadMcpResource, (over) => ({ uri: `x:${"a".repeat(LIMITS.mcpUriChars - 2 + over)}` })],
    ["mcpArgumentChars", PromptArguments, (over) => ({ a: "a".repeat(LIMITS.mcpArgumentChars + over) })],
    ["nodesPerWorkflow", Definition, (over) => definition({ nodes: list(LIMITS.nodesPerWorkflow + over, node) })],
    ["edgesPerWorkflow", Definition, (over) => definition({ edges: list(LIMITS.edgesPerWorkflow + over, edge) })],
    ["nameChars", Definition, (over) => definition({ name: "n".repeat(LIMITS.nameChars + over) })],
    ["descriptionChars", Definition, (over) => definition({ description: "d".repeat(LIMITS.descriptionChars + over) })],
    ["mapConcurrency", WorkflowNode, (over) => map(LIMITS.mapConcurrency + over)],
    [
      "httpHeaders",
      WorkflowNode,
      (over) => ({
        id: "h",
        type: "http",
        data: { url: "x", headers: Object.fromEntries(list(LIMITS.httpHeaders + over, (i) => [`h${i}`, ""])) },
      }),
    ],
    ["teamMembers", WorkflowNode, (over) => team({ members: list(LIMITS.teamMembers + over, (i) => ({ name: `m${i}`, agent: "a" })) })],
    ["teamRounds", WorkflowNode, (over) => team({ limits: { rounds: LIMITS.teamRounds + over } })],
    ["codeChars", WorkflowNode, (over) => ({ id: "c", type: "code", data: { source: "x".repeat(LIMITS.codeChars + over) } })],
    ["loopRounds", WorkflowNode, (over) => ({ id: "l", type: "loop", data: { while: true, max: LIMITS.loopRounds + over } })],
    [
      "switchCases",
      WorkflowNode,
      (over) => ({ id: "s", type: "switch", data: { value: 1, cases: list(LIMITS.switchCases + over, (i) => `c${i}`) } }),
    ],
    [
      "approvers",
      WorkflowNode,
      (over) => ({ id: "a", type: "approval", data: { approvers: list(LIMITS.approvers + over, (i) => `user:${i}`) } }),
    ],
    ["signalNameChars", WorkflowNode, (over) => ({ id: "w", type: "wait", data: { signal: "s".repeat(LIMITS.signalNameChars + over) } })],
    ["runTimeoutMs", Definition, (over) => definition({ timeoutMs: LIMITS.runTimeoutMs + over })],
    ["attempts", Policy, (over) => ({ retry: { maxAttempts: LIMITS.attempts + over } })],
    ["nodeConcurrency", Policy, (over) => ({ concurrency: LIMITS.nodeConcurrency + over })],
    ["cacheTtlMs", Policy, (over) => ({ cache: { ttlMs: LIMITS.cacheTtlMs + over } })],
    ["agentConcurrency", CreateAgent, (over) => ({ name: "a", endpoint: { kind: "custom" }, concurrency: LIMITS.agentConcurrency + over })],
    ["timeoutMs", Policy, (over) => ({ timeoutMs: LIMITS.timeoutMs + over })],
    ["tags", Tags, (over) => list(LIMITS.tags + over, (i) => `t${i}`)],
    ["tagChars", Tags, (over) => ["t".repeat(LIMITS.tagChars + over)]],
    ["pageItems", listRuns.query, (over) => ({ limit: LIMITS.pageItems + over })],
    ["idempotencyKeyChars", startRun.headers, (over) => ({ "idempotency-key": "k".repeat(LIMITS.idempotencyKeyChars + over) })],
    ["contextKeys", patchRunContext.body, (over) => ({ set: Object.fromEntries(list(LIMITS.contextKeys + over, (i) => [`k${i}`, 1])) })],
    ["cronChars", CreateSchedule, (over) => ({ workflowId: ID, cron: "*".repeat(LIMITS.cronChars + over) })],
    ["catchUpMinutes", CreateSchedule, (over) => ({ workflowId: ID, cron: "* * * * *", catchUpMinutes: LIMITS.catchUpMinutes + over })],
    ["catchUpSlots", CreateSchedule, (over) => ({ workflowId: ID, cron: "* * * * *", catchUpSlots: LIMITS.catchUpSlots + over })],
    [
      "webhookHeaders",
      CreateWebhook,
      (over) => ({ workflowId: ID, verification: { kind: "token" }, headers: list(LIMITS.webhookHeaders + over, (i) => `h${i}`) }),
    ],
    ["toleranceSeconds", Verification, (over) => ({ kind: "hmac", toleranceSeconds: LIMITS.toleranceSeconds + over })],
    ["bulkRuns", cancelRuns.body, (over) => ({ ids: list(LIMITS.bulkRuns + over, () => "01a21686-c824-77e6-b835-7dd13a849b00") })],
    ["waitMs", awaitRun.query, (over) => ({ timeoutMs: LIMITS.waitMs + over })],
    [
      "launchArguments",
      StdioLaunch,
      (over) => ({ transport: "stdio", command: "node", args: list(LIMITS.launchArguments + over, String) }),
    ],
    [
      "launchValues",
      StdioLaunch,
      (over) => ({ transport: "stdio", command: "node", env: Object.fromEntries(list(LIMITS.launchValues + over, (i) => [`V${i}`, ""])) }),
    ],
    ["importChars", ImportMcpServers, (over) => ({ document: "x".repeat(LIMITS.importChars + over) })],
    [
      "importedServers",
      ImportMcpServers,
      (over) => ({ document: "npx x", entries: list(LIMITS.importedServers + over, (i) => ({ key: `${i}` })) }),
    ],
  ])("%s", (_name, schema, make) => {
    expect(schema.safeParse(make(0)).success).toBe(true);
    expect(schema.safeParse(make(1)).success).toBe(false);
  });
});
