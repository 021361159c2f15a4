import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createAgent } from "#contract/agents.ts";
import { testAgents, type TestAgents } from "#test/support/agents.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let at: TestAgents;
const children: ChildProcess[] = [];
beforeAll(async () => {
  db = await testDatabase();
  at = await testAgents(db);
});
afterAll(async () => {
  await at.close();
  await db.close();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

const path = (name: string): string => new URL(`../../examples/${name}`, import.meta.url).pathname;
/** Starts an example as the demo does: standard input is a pipe that this process holds. */
async function start(script: string, env: Record<string, string>): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", path(`agents/${script}`)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", ...env },
  });
  children.push(child);
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return { child, line: String(line) };
}
const facts = async (): Promise<ChildProcess> => {
  const { token } = await at.agents.ensureAgent({
    tenantId: at.tenantId,
    actor: "system",
    agent: { name: "facts", description: "", environment: "production", endpoint: { kind: "custom" } },
  });
  const { child, line } = await start("facts-checker.ts", { AUTERITY_URL: at.url, AUTERITY_AGENT_TOKEN: token ?? "" });
  expect(line).toBe(`facts is connected to ${at.url}`);
  return child;
};

describe("the agents of the flagship, each in a process of its own", () => {
  test("check a document, rank what was found, and compose the report", async () => {
    const checker = await facts();
    const ranker = await start("urgency-ranker.ts", { PORT: "0" });
    const url = ranker.line.replace("urgency listens at ", "");
    await at.call(createAgent, { body: { name: "urgency", endpoint: { kind: "a2a", url } } });
    const text = readFileSync(path("documents/insurance-letter-claim.md"), "utf8");
    const checked = await at.agents.executeCustom.run(at.step({ agent: "facts", skill: "check", input: { text } }));
    expect(checked).toMatchObject({ issues: [{ kind: "total_mismatch" }] });
    const finding = { id: "claim.md", summary: "The brakes failed.", label: "safety", ...Object(checked) };
    const ranked = await at.agents.executeA2a.run(at.step({ agent: "urgency", message: { items: [finding] } }));
    expect(ranked).toMatchObject({ state: "completed", data: { ranking: [{ id: "claim.md", label: "safety" }] } });
    const input = { findings: [finding], ranking: Object(ranked).data };
    const composed = await at.agents.executeCustom.run(at.step({ agent: "facts", skill: "compose", input }));
    expect(composed).toMatchObject({ mostUrgent: "claim.md", withIssues: 1, report: expect.stringContaining("# Service desk triage") });
    await expect(at.agents.executeA2a.run(at.step({ agent: "urgency", message: "rank it" }))).rejects.toMatchObject({
      code: "agent_rejected",
    });
    await expect(at.agents.executeCustom.prepare(at.step({ agent: "facts", skill: "check", input: {} }))).resolves.toMatchObject({
      effect: "none",
    });
    // Whoever started them goes away: both end by themselves.
    const ended = Promise.all([once(checker, "exit"), once(ranker.child, "exit")]);
    checker.stdin?.destroy();
    ranker.child.stdin?.destroy();
    expect(await ended).toEqual([
      [0, null],
      [0, null],
    ]);
  });

  test("end on SIGTERM", async () => {
    const checker = await facts();
    const { child: ranker } = await start("urgency-ranker.ts", {});
    const ended = Promise.all([once(checker, "exit"), once(ranker, "exit")]);
    checker.kill("SIGTERM");
    ranker.kill("SIGTERM");
    expect(await ended).toEqual([
      [0, null],
      [0, null],
    ]);
  });

  test("a wrong token ends the process with a reason", async () => {
    const child = spawn(process.execPath, [path("agents/facts-checker.ts"), "--url", at.url, "--token", "aut_agent_wrong"], {
      stdio: ["pipe", "ignore", "pipe"],
    });
    children.push(child);
    let said = "";
    child.stderr.on("data", (data: Buffer) => void (said += data.toString()));
    expect(await once(child, "exit")).toEqual([1, null]);
    expect(said).toContain("The platform refuses the agent facts");
  });
});
