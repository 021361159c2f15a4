import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { conformanceServer } from "#test/support/mcp/conformance-server.ts";
import { runSuite, withToken, type Outcomes, type SuiteVersion } from "#test/support/mcp/conformance-suite.ts";
import type { HttpFixture } from "#test/support/mcp/modern-server.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let fixture: HttpFixture;
let front: Awaited<ReturnType<typeof withToken>>;

beforeAll(async () => {
  [platform, fixture] = await Promise.all([startedPlatform(), conformanceServer()]);
  front = await withToken(platform.url, platform.token);
  const launch = (url: string) => ({ transport: "http", url }) as const;
  await platform.client.createMcpServer({ body: { name: "fixture", launch: launch(fixture.url) } });
  const settings = { sampling: { model: "offline", maxTokens: 100, perMinute: 10 } };
  await platform.client.createMcpServer({ body: { name: "fixture-2025", launch: launch(`${fixture.url}?era=2025`), settings } });
});
afterAll(async () => {
  await front.close();
  await platform.close();
  await fixture.close();
});

type ServerRun = { name: string; suite: SuiteVersion; args: readonly string[]; direct: string; through: string };

const RUNS: readonly ServerRun[] = [
  { name: "2025-11-25, server of both eras", suite: "0.1.16", args: ["--spec-version", "2025-11-25"], direct: "", through: "fixture" },
  {
    name: "2025-11-25, older server",
    suite: "0.1.16",
    args: ["--spec-version", "2025-11-25"],
    direct: "?era=2025",
    through: "fixture-2025",
  },
  { name: "2026-07-28", suite: "0.2.0-alpha.12", args: ["--spec-version", "2026-07-28", "--suite", "all"], direct: "", through: "fixture" },
];

/** A check that only informs has nothing to object to: an answer may be a document where the other one is a stream. */
const FINE: ReadonlySet<string> = new Set(["SUCCESS", "INFO"]);

/** What passed directly and does not pass any more. */
function lost(direct: Outcomes, through: Outcomes): string[] {
  return Object.entries(direct).flatMap(([scenario, checks]) =>
    Object.entries(checks).flatMap(([id, { status }]) => {
      const now = through[scenario]?.[id] ?? { status: "missing", message: "" };
      return status === "SUCCESS" && !FINE.has(now.status) ? [`${scenario}: ${id} ${now.status} ${now.message}`] : [];
    }),
  );
}

describe("the official suites", () => {
  test.each(RUNS)(
    "server scenarios of $name: what passes directly passes through the gateway",
    async ({ suite, args, direct, through }) => {
      const [before, after] = [
        await runSuite({ suite, side: "server", args: ["--url", `${fixture.url}${direct}`, ...args] }),
        await runSuite({ suite, side: "server", args: ["--url", `${front.url}/mcp/servers/${through}`, ...args] }),
      ];
      expect(Object.keys(before).length).toBeGreaterThan(25);
      expect(lost(before, after)).toEqual([]);
    },
  );
});
