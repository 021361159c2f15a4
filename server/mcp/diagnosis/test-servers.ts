import { LIMITS } from "#contract/limits.ts";
import type { CheckFinding, ServerTest } from "#contract/mcp/tests.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Database } from "#server/kernel/ports.ts";
import type { Connect } from "../connection/connect.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import type { ApprovedLaunch } from "../supervision/supervisor-ports.ts";
import { refusalOf } from "../supervision/refusal.ts";
import type { ServerLogs } from "../supervision/server-logs.ts";
import { captureLogs } from "./captured-logs.ts";
import { runTest, type TestDeps } from "./run-test.ts";
import type { MayCall, SampleCallOptions } from "./sample-call.ts";
import { saveTest } from "./tests.pg.ts";

export type TestServersDeps = TestDeps & {
  database: Database;
  audit: Audit;
  newId: () => string;
  now: () => Date;
  /** Connections whose processes say what they have to say to these logs. */
  connectApart: (logs: ServerLogs) => Connect;
  checkLaunch: (server: ServerRecord) => Promise<ApprovedLaunch>;
  check: (server: ServerRecord) => Promise<CheckFinding[]>;
};

export type TestRequest = {
  server: ServerRecord;
  /** Null when the server exists only for this test. */
  serverId: string | null;
  mayCall: MayCall;
  options: SampleCallOptions;
  signal: AbortSignal;
};

export type TestServer = {
  /** Tests a server apart from all that runs of it, and keeps the report. Throws `unavailable` when too many tests run. */
  run(request: TestRequest): Promise<ServerTest>;
  stop(): Promise<void>;
};

export function createTestServer(deps: TestServersDeps): TestServer {
  const running = new Set<Promise<unknown>>();
  const giveUp = new AbortController();
  const run = async (request: TestRequest): Promise<ServerTest> => {
    if (running.size >= LIMITS.mcpTestsAtOnce) {
      throw new AppError("unavailable", `${LIMITS.mcpTestsAtOnce} tests are running already.`, {
        retryable: true,
        remedy: "Wait until one of them is done.",
      });
    }
    const going = test(deps, { ...request, signal: AbortSignal.any([request.signal, giveUp.signal]) });
    running.add(going);
    return going.finally(() => running.delete(going));
  };
  return {
    run,
    stop: async () => {
      giveUp.abort(new AppError("unavailable", "The platform is stopping.", { retryable: true }));
      await Promise.allSettled(running);
    },
  };
}

async function test(deps: TestServersDeps, { server, serverId, mayCall, options, signal }: TestRequest): Promise<ServerTest> {
  const { logs, stderr } = captureLogs(deps.redactor);
  // What was once found out about its era is not relied upon, but found out again.
  const fresh = { ...server, era: null };
  const at = deps.now().toISOString();
  const findings = await deps.check(server);
  const admit = async (): Promise<ApprovedLaunch> => {
    if (server.quarantine !== null) throw refusalOf(server);
    return deps.checkLaunch(server);
  };
  const result = await runTest(deps, { connect: deps.connectApart(logs), stderr, server: fresh, admit, mayCall, options, signal });
  const report: ServerTest = { id: deps.newId(), serverId, at, launchHash: server.launchHash, ...result, findings };
  await deps.database.asTenant(server.tenantId, (tx) => saveTest(tx, server.tenantId, report));
  return report;
}
