import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "#test/support/cli.ts";
import { PlatformProcess } from "#test/support/platform.ts";
import { ROOT } from "#test/support/source-files.ts";

const original = new PlatformProcess();
const copy = new PlatformProcess();
const folder = mkdtempSync(join(tmpdir(), "auterity-backup-"));
const file = join(folder, "auterity.backup");
const ids = { workflow: "", run: "", server: "" };
const inside = (platform: PlatformProcess) => ({ AUTERITY_DATA_DIR: platform.dataDir });

beforeAll(async () => {
  await original.start();
  const { client } = original;
  await client.putSecret({ params: { name: "KEY" }, body: { value: "the-value-of-the-secret" } });
  const server = await client.createMcpServer({
    body: {
      name: "reveal",
      launch: {
        transport: "stdio",
        command: process.execPath,
        args: [join(ROOT, "test/support/mcp/reveal-server.ts")],
        env: { TOKEN: "secret:KEY" },
      },
    },
  });
  const definition = {
    version: 2,
    classification: "confidential",
    nodes: [
      { id: "start", type: "start" },
      { id: "length", type: "mcp_tool", data: { server: "reveal", tool: "length", arguments: {} } },
      { id: "end", type: "end", data: { output: "=steps.length.text" } },
    ],
    edges: [
      { id: "a", source: "start", target: "length" },
      { id: "b", source: "length", target: "end" },
    ],
  };
  const workflow = await client.createWorkflow({ body: { name: "Counting", definition } });
  const run = await client.startRun({ params: { id: workflow.id }, body: { input: { text: "\u0001 \u00e4 \u{1f697}" } } });
  await client.waitForRun(run.id);
  Object.assign(ids, { workflow: workflow.id, run: run.id, server: server.id });
});
afterAll(async () => {
  await Promise.all([original.dispose(), copy.dispose()]);
  rmSync(folder, { recursive: true });
});

test("a running platform is written to a file, and goes on", async () => {
  expect(await original.client.getRun({ params: { id: ids.run } })).toMatchObject({ status: "succeeded", output: "23" });
  const { code, stderr } = await runCli(["backup", file], inside(original));
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^Wrote \d+ rows of \d+ tables to /) });
  expect(await original.client.readyz()).toMatchObject({ status: "ready" });
  const text = readFileSync(file, "latin1");
  for (const secret of ["the-value-of-the-secret", "an-owner-token-for-tests"]) expect(text).not.toContain(secret);
});

test("is not restored over a platform that runs, nor from a file that is damaged", async () => {
  const running = await runCli(["restore", file], inside(original));
  expect(running).toMatchObject({ code: 1, stderr: expect.stringContaining("data_dir_in_use") });
  copyFileSync(join(original.dataDir, "master.key"), join(copy.dataDir, "master.key"));
  const bytes = readFileSync(file);
  const damaged = join(folder, "damaged.backup");
  for (const broken of [bytes.subarray(0, bytes.length - 40), Buffer.from("not a backup"), Buffer.alloc(0)]) {
    writeFileSync(damaged, broken);
    expect(await runCli(["restore", damaged], inside(copy))).toMatchObject({ code: 1, stderr: expect.stringContaining("backup_invalid") });
  }
  expect(await runCli(["restore", join(folder, "absent.backup")], inside(copy))).toMatchObject({ code: 1 });
});

test("is restored beside the same key into a fresh data dir: workflows, runs, journal and audit trail are the same", async () => {
  const there = original.client;
  const [run, journal, workflow] = await Promise.all([
    there.getRun({ params: { id: ids.run } }),
    there.getRunJournal({ params: { id: ids.run } }),
    there.getWorkflow({ params: { id: ids.workflow } }),
  ]);
  const restored = await runCli(["restore", file], inside(copy));
  expect(restored).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Restored \d+ rows of \d+ tables\.$/m) });
  await copy.start();
  const here = copy.client;
  expect(await here.getRun({ params: { id: ids.run } })).toEqual(run);
  expect(await here.getRunJournal({ params: { id: ids.run } })).toEqual(journal);
  expect(await here.getWorkflow({ params: { id: ids.workflow } })).toEqual(workflow);
  expect((await here.listMessages({ query: { runId: ids.run } })).items).toEqual(
    (await there.listMessages({ query: { runId: ids.run } })).items,
  );
  expect(await here.verifyAudit()).toMatchObject({ valid: true, firstBroken: null });
});

test("goes on working there: servers start with their secrets, runs run, the audit trail grows", async () => {
  const { client } = copy;
  expect(await client.startMcpServer({ params: { id: ids.server } })).toMatchObject({ state: "READY" });
  const { id } = await client.retryRun({ params: { id: ids.run } });
  expect(await client.waitForRun(id)).toMatchObject({ status: "succeeded", output: "23", parentRunId: ids.run });
  expect(await client.verifyAudit()).toMatchObject({ valid: true });
  await copy.end("SIGTERM");
  const again = await runCli(["restore", file], inside(copy));
  expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/backup_invalid: The database is not empty/) });
});

test("a platform that is stopped is written just as well", async () => {
  const { code, stderr } = await runCli(["backup", join(folder, "stopped.backup")], inside(copy));
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^Wrote \d+ rows/) });
});
