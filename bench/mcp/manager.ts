import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { createAudit } from "#server/audit/index.ts";
import { createEgress } from "#server/egress/index.ts";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import { createMcp } from "#server/mcp/index.ts";
import { createMessaging } from "#server/messaging/index.ts";
import { connect } from "#server/postgres/connection.ts";
import { openPostgres } from "#server/postgres/index.ts";
import { createKeyring, createRedactor, createSecrets } from "#server/secrets/index.ts";
import { createLiveBus, createMetrics } from "#server/telemetry/index.ts";
import { rolePassword } from "../engine/platform.ts";
import type { Call } from "./measure.ts";
import { EVERYTHING } from "./processes.ts";

// The SDK's own transport waits for its pipe once for each call that is under way.
EventEmitter.defaultMaxListeners = 0;

export type Caller = { call: Call; close(): Promise<void> };

/** The SDK's client, and nothing between it and the server's pipes. */
export async function directStdio(): Promise<Caller> {
  const client = new Client({ name: "bench", version: "1.0.0" }, { versionNegotiation: { mode: "legacy" } });
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [EVERYTHING, "stdio"], stderr: "ignore" }));
  return { call: () => client.callTool({ name: "echo", arguments: { message: "hello" } }), close: () => client.close() };
}

/** The call of a workflow's step, put together as in `server/compose.ts`: pinned, validated, recorded in a real database. */
export async function manager(url: string, dataDir: string): Promise<Caller> {
  const postgres = await openPostgres({ ownerUrl: url, rolePassword, log: silentLog });
  const { database } = postgres;
  const tenantId = newId();
  const owner = await connect(url);
  await owner.query("insert into tenants (id, name) values ($1, $2)", [tenantId, `Bench ${tenantId}`]);
  await owner.end();
  const redactor = createRedactor();
  redactor.track(randomBytes(24).toString("base64url"));
  const keyring = createKeyring({ database, masterKey: randomBytes(32) });
  const { audit } = createAudit({ database, redactor, chainKey: keyring.deriveSecret("audit") });
  const vault = createSecrets({ database, keyring, redactor, audit, newId });
  const { codec, reader: secrets } = vault;
  const now = (): Date => new Date();
  const shared = { database, redactor, audit, codec, secrets, newId, now, log: silentLog };
  const live = createLiveBus(silentLog);
  const messaging = createMessaging({ ...shared, retentionDays: 1, registry: createMetrics({ version: "bench" }).registry });
  await messaging.start();
  const { egress, close: closeEgress } = createEgress({ ...shared });
  const mcp = createMcp({
    ...shared,
    live,
    egress,
    vault,
    frames: messaging.frames,
    frameReader: messaging.reader,
    instanceId: newId(),
    dataDir,
    ownerApproves: true,
    workflowsUsing: async () => [],
    toolsUsed: async () => [],
    secretsUsed: async () => new Set(),
    resumeStep: async () => "over",
  });
  await mcp.start();
  const launch = { transport: "stdio" as const, command: process.execPath, args: [EVERYTHING, "stdio"], env: {} };
  await mcp.ensureServer({ tenantId, actor: "system:bench", environment: "production", name: "everything", description: "", launch });
  const step = { runId: newId(), scope: "", nodeId: "call", attempt: 1 };
  const input = { server: "everything", tool: "echo", arguments: { message: "hello" } };
  const request = { tenantId, environment: "production", initiator: "system:bench", depth: 0, step, input } as const;
  const { effect, binding } = await mcp.executeTool.prepare(request);
  const call = {
    ...request,
    key: "key",
    effect: effect ?? "once",
    binding,
    timeoutMs: 30_000,
    showProgress: () => {},
    saveHandle: async () => {},
  };
  return {
    // As of a step: each attempt has a signal of its own.
    call: () => mcp.executeTool.run({ ...call, signal: new AbortController().signal }),
    close: async () => {
      await mcp.stop();
      await messaging.stop();
      await closeEgress();
      await postgres.close();
    },
  };
}
