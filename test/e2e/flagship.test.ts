import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { familyOf, survivorsOf } from "#test/support/processes.ts";
import { PlatformProcess } from "#test/support/platform.ts";

describe("the flagship workflow", () => {
  const platform = new PlatformProcess();
  beforeAll(async () => {
    await platform.start([]);
    await platform.printed(/Press Ctrl\+C/);
  });
  afterAll(() => platform.dispose());

  const flagshipRun = async () => {
    const { items } = await platform.client.listRuns({ query: { limit: 1 } });
    return platform.client.getRun({ params: { id: items[0]?.id ?? "" } });
  };

  test("prints its steps, its report and the address of its page", async () => {
    const run = await flagshipRun();
    expect(platform.output).toMatch(/✓ list .*\n/);
    expect(platform.output).toMatch(/≡ each 16 items/);
    expect(platform.output).toContain("# Service desk triage");
    expect(platform.output).toMatch(/✓ succeeded in [\d.]+ s/);
    expect(platform.output).toContain(`${platform.url}/runs/${run.id}`);
  });

  test("succeeds with all four kinds of agents, every message joined to its step", async () => {
    const run = await flagshipRun();
    expect(run).toMatchObject({ status: "succeeded", output: { documents: 16 } });
    const kinds = { mcp: "list", custom: "check", openai: "summary", a2a: "rank" } as const;
    for (const [protocol, nodeId] of Object.entries(kinds)) {
      const { items } = await platform.client.listMessages({ query: { runId: run.id, nodeId, limit: 200 } });
      expect(
        items.map((message) => message.protocol),
        nodeId,
      ).toContain(protocol);
      const directions = new Set(items.map(({ kind }) => kind));
      expect([directions.has("request"), directions.has("response")], nodeId).toEqual([true, true]);
    }
  });

  test("finds what was planted in the documents", async () => {
    const report = readFileSync(join(platform.dataDir, "demo", "reports", "service-desk-triage.md"), "utf8");
    expect(report).toMatch(/There is no 30\.02\.2026/);
    expect(report).toMatch(/rows add up to/);
    const ranked = [...report.matchAll(/^\| (\d+) \| (\S+)/gm)].map((match) => match[2]);
    expect(ranked.indexOf("brake-failure-urgent.md")).toBeLessThan(3);
    expect(ranked.at(-1)).toBe("thank-you-letter.txt");
  });

  test("ends with everything it started", async () => {
    const started = await familyOf(platform.pid);
    expect(started.length).toBeGreaterThanOrEqual(5);
    expect(await platform.end("SIGTERM")).toBe(0);
    expect(await survivorsOf(started)).toEqual([]);
  });

  test("runs again in the same data dir", async () => {
    await platform.start([]);
    await platform.printed(/✓ succeeded[\s\S]*✓ succeeded/);
    const { items } = await platform.client.listRuns({ query: {} });
    expect(items.map(({ status }) => status)).toEqual(["succeeded", "succeeded"]);
  });
});
