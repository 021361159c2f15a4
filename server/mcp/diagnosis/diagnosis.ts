import type { Environment } from "#contract/common.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import type { CheckFinding, ServerTest, ToolSample } from "#contract/mcp/tests.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { registrantOf } from "../registration/register-server.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { approvedIn, unsuspicious } from "./may-call.ts";
import type { SampleCallOptions } from "./sample-call.ts";
import { checkServer, type CheckDeps } from "./static-check.ts";
import { createTestServer, type TestServersDeps } from "./test-servers.ts";
import { testsOf } from "./tests.pg.ts";
import { sampleOfTool } from "./tool-sample.ts";
import { watchRegistration } from "./watch-registration.ts";
import { beginTrial, endTrial, type TrialDeps } from "./trial.ts";

export type DiagnosisDeps = TrialDeps & Omit<TestServersDeps, "check"> & CheckDeps & { supervisor: Supervisor };

export type DiagnosisUseCases = {
  test(caller: Caller, id: string, request: SampleCallOptions & { signal: AbortSignal }): Promise<ServerTest>;
  testLaunch(
    caller: Caller,
    request: SampleCallOptions & { launch: Launch; environment: Environment; signal: AbortSignal },
  ): Promise<ServerTest>;
  tests(caller: Caller, id: string): Promise<{ items: ServerTest[] }>;
  check(caller: Caller, id: string): Promise<{ ok: boolean; findings: CheckFinding[] }>;
  sample(caller: Caller, toolId: string): Promise<ToolSample>;
  stop(): Promise<void>;
};

/** Finding out why a server does not work, or that it does. Whatever belongs to another tenant is `not_found`. */
export function diagnosisUseCases(deps: DiagnosisDeps): DiagnosisUseCases {
  const { database, supervisor } = deps;
  const check = checkServer(deps);
  const testServer = createTestServer({ ...deps, check });
  return {
    async test({ tenantId, ref }, id, { signal, ...options }) {
      const tested = await supervisor.get(tenantId, id);
      const { record: server, catalogue } = tested;
      const { audit } = deps;
      await database.asTenant(tenantId, (tx) =>
        audit.record(tx, { tenantId, actor: ref, action: "mcp_server.tested", target: `mcp_server:${id}` }),
      );
      const registered = watchRegistration(supervisor, tested);
      const request = { server, serverId: id, mayCall: approvedIn(server, catalogue), options };
      const running = testServer.run({ ...request, signal: AbortSignal.any([signal, registered.signal]) });
      return running.finally(() => registered.stop());
    },
    async testLaunch(caller, { launch, environment, signal, ...options }) {
      const server = await beginTrial(deps, registrantOf(caller), { launch, environment });
      try {
        return await testServer.run({ server, serverId: null, mayCall: unsuspicious, options, signal });
      } finally {
        await endTrial(deps, server);
      }
    },
    tests: ({ tenantId }, id) => database.asTenant(tenantId, async (tx) => ({ items: await testsOf(tx, id) })),
    async check({ tenantId }, id) {
      const { record } = await supervisor.get(tenantId, id);
      const findings = await check(record);
      return { ok: findings.every(({ severity }) => severity === "warning"), findings };
    },
    sample: sampleOfTool(deps),
    stop: () => testServer.stop(),
  };
}
