import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { conformanceServer } from "#test/support/mcp/conformance-server.ts";
import { runSuite, withToken, type Outcomes, type SuiteVersion } from "#test/support/mcp/conformance-suite.ts";
import type { HttpFixture } from "#test/support/mcp/modern-server.ts";
import { ROOT } from "#test/support/source-files.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let fixture: HttpFixture;
let front: Awaited<ReturnType<typeof withToken>>;

beforeAll(async () => {
  [platform, fixture] = await Promise.all([startedPlatform(), conformanceServer()]);
  front = await withToken(platform.url, platform.token);
  const launch = (url: string) => ({ transport: "http", url }) as const;
  const settings = { sampling: { model: "offline", maxTokens: 100, perMinute: 10 } };
  await platform.client.createMcpServer({ body: { name: "fixture", launch: launch(fixture.url) } });
  await platform.client.createMcpServer({ body: { name: "fixture-2025", launch: launch(`${fixture.url}?era=2025`), settings } });
});
afterAll(async () => {
  await front.close();
  await platform.close();
  await fixture.close();
});

type ServerRun = { title: string; suite: SuiteVersion; args: readonly string[]; direct: string; through: string };

const OLD = { suite: "0.1.16", args: ["--spec-version", "2025-11-25"] } as const;
const NEW = { suite: "0.2.0-alpha.12", args: ["--spec-version", "2026-07-28"] } as const;
const RUNS: readonly ServerRun[] = [
  { title: "2025-11-25, in front of a server of both eras", ...OLD, direct: "", through: "fixture" },
  { title: "2025-11-25, in front of a server of that era", ...OLD, direct: "?era=2025", through: "fixture-2025" },
  { title: "2026-07-28", suite: NEW.suite, args: [...NEW.args, "--suite", "all"], direct: "", through: "fixture" },
];

/** All but those about authorization, which is not built yet, and optional extensions. */
const CLIENT_SCENARIOS = [
  ...["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"].map((scenario) => ({ scenario, ...OLD })),
  ...[
    "tools_call",
    "request-metadata",
    "sep-2322-client-request-state",
    "http-standard-headers",
    "http-custom-headers",
    "http-invalid-tool-headers",
    "json-schema-ref-no-deref",
    "json-schema-2020-12-preservation",
  ].map((scenario) => ({ scenario, ...NEW })),
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

const page: string[] = [
  "# Conformance",
  "",
  "What the official suite of the Model Context Protocol (`@modelcontextprotocol/conformance`) says. Written by `npm test`, which",
  "fails when it does not hold any more. Server scenarios run twice: against a server that has everything they ask for, and against",
  "the gateway's pass-through in front of the same server (`/mcp/servers/<name>`); each check that passes directly must pass through.",
  "Client scenarios run against the connection with which the platform itself uses servers. Scenarios about authorization and",
  "about optional extensions (tasks, skills) are left out: neither is built yet.",
];
const section = (title: string, lines: readonly string[]): void => void page.push("", `## ${title}`, "", ...lines);

test.each(RUNS)("server scenarios of $title: what passes directly passes through the gateway", async ({ title, suite, args, ...at }) => {
  const direct = await runSuite({ suite, side: "server", args: ["--url", `${fixture.url}${at.direct}`, ...args] });
  const through = await runSuite({ suite, side: "server", args: ["--url", `${front.url}/mcp/servers/${at.through}`, ...args] });
  const scenarios = Object.keys(direct).filter((scenario) =>
    Object.values(direct[scenario] ?? {}).some(({ status }) => status === "SUCCESS"),
  );
  expect(scenarios.length).toBeGreaterThan(25);
  expect(lost(direct, through)).toEqual([]);
  section(
    `Server scenarios of ${title} (suite ${suite})`,
    scenarios.map((scenario) => `- \`${scenario}\`: passes directly and through the gateway`),
  );
});

test("client scenarios pass with the platform's own connection", async () => {
  const command = `${process.execPath} --disable-warning=ExperimentalWarning ${join(ROOT, "test/support/mcp/conformance-client.ts")}`;
  const failures: string[] = [];
  const runOne = async ({ scenario, suite, args }: (typeof CLIENT_SCENARIOS)[number]): Promise<string[]> => {
    const outcomes = await runSuite({ suite, side: "client", args: ["--command", command, "--scenario", scenario, ...args] });
    const checks = Object.entries(outcomes[scenario] ?? { nothing: { status: "FAILURE", message: "no result" } });
    return checks.flatMap(([id, { status, message }]) => (status === "FAILURE" ? [`${scenario}: ${id} ${message}`] : []));
  };
  const waiting = [...CLIENT_SCENARIOS];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      let failed = await runOne(next);
      // It measures milliseconds, on a machine that does other things too.
      for (let again = 0; failed.length > 0 && next.scenario === "sse-retry" && again < 2; again += 1) failed = await runOne(next);
      failures.push(...failed);
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  expect(failures).toEqual([]);
  for (const { suite, args } of [OLD, NEW]) {
    const own = CLIENT_SCENARIOS.filter((one) => one.suite === suite).map(({ scenario }) => `- \`${scenario}\`: passes`);
    section(`Client scenarios of ${args[1]} (suite ${suite})`, own);
  }
});

test("the page about it is current", async () => {
  await expect(`${page.join("\n")}\n`).toMatchFileSnapshot(join(ROOT, "docs/conformance.md"));
});
