import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JournalEvent } from "#contract/journal.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import { ApiError } from "#sdk/client.ts";
import { ROOT } from "#test/support/source-files.ts";
import { PlatformProcess } from "#test/support/platform.ts";
import { random, SEEDS } from "#test/support/random.ts";

const KILLS = 20;
const STEPS = 4;
const ITEMS = 3;

/** `once` steps one after another, then a map of them, then a step that may be repeated. Each enters its own line into the ledger. */
function ledgerWorkflow(): DefinitionInput {
  const enter = (id: string, entry: string, more: object = {}) =>
    ({
      id,
      type: "mcp_tool",
      data: { server: "ledger", tool: "enter", arguments: { entry, delayMs: "=input.delayMs" } },
      ...more,
    }) as const;
  const chain = Array.from({ length: STEPS }, (_, i) => enter(`s${i}`, `{{ run.id }}/s${i}`));
  const ids = ["start", ...chain.map(({ id }) => id), "each", "free", "end"];
  return {
    version: 2,
    name: "Ledger",
    nodes: [
      { id: "start", type: "start" },
      ...chain,
      { id: "each", type: "map", data: { items: `=[1..${ITEMS}]`, concurrency: 2 } },
      enter("item", "{{ run.id }}/each[{{ index }}]/item", { parentId: "each" }),
      enter("free", "{{ run.id }}/free", { policy: { effect: "none" } }),
      { id: "end", type: "end", data: { output: "=[steps.s0.text, steps.free.text]" } },
    ],
    edges: ids.slice(1).map((target, i) => ({ id: `e${i}`, source: ids[i] ?? "", target })),
  };
}

describe.each(SEEDS)("kill -9 at random points, seed %s", (seed) => {
  const dir = mkdtempSync(join(tmpdir(), "auterity-ledger-"));
  const ledger = join(dir, "ledger.txt");
  writeFileSync(ledger, "");
  const platform = new PlatformProcess();
  const next = random(seed);
  let workflowId = "";

  beforeAll(async () => {
    await platform.start();
    await platform.client.createMcpServer({
      body: {
        name: "ledger",
        launch: {
          transport: "stdio",
          command: process.execPath,
          args: [join(ROOT, "test/support/mcp/ledger-server.ts")],
          env: { LEDGER_FILE: ledger },
        },
      },
    });
    workflowId = (
      await platform.client.createWorkflow({ body: { name: "Ledger", definition: JSON.parse(JSON.stringify(ledgerWorkflow())) } })
    ).id;
  });
  afterAll(async () => {
    await platform.dispose();
    rmSync(dir, { recursive: true });
  });

  test(`after ${KILLS} kills every run succeeds and no finished step has run twice`, async () => {
    const runs: string[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      const { id } = await platform.client.startRun({
        params: { id: workflowId },
        body: { input: { delayMs: 1 + Math.floor(next() * 20) } },
      });
      runs.push(id);
      await sleep(next() * 700);
      await platform.end("SIGKILL");
      await platform.start();
    }
    for (const id of runs) await finish(platform, id);
    const entries = readFileSync(ledger, "utf8").trim().split("\n");
    for (const id of runs) await checkRun(platform, { id, entries });
  });
});

/**
 * Waits for the end. A run that was killed five times in a row before it came any further is dead, and requeued; one that asks gets the
 * answer "it did not happen", which leads to the same key again. A question is still shown until the run has taken the answer up: one that
 * is answered again by then is no failure.
 */
async function finish(platform: PlatformProcess, id: string): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const run = await platform.client.getRun({ params: { id } });
    if (run.dead) await platform.client.requeueRun({ params: { id } });
    else if (run.questions.length > 0) await answer(platform, id);
    else if (["succeeded", "failed", "cancelled"].includes(run.status))
      return expect(run).toMatchObject({ status: "succeeded", error: null });
    await sleep(50);
  }
  throw new Error(`The run ${id} did not end.`);
}

async function answer({ client }: PlatformProcess, id: string): Promise<void> {
  await client.resumeRun({ params: { id }, body: { answer: "did_not_happen" } }).catch((error: unknown) => {
    if (!(error instanceof ApiError) || error.code !== "run_not_waiting") throw error;
  });
}

async function checkRun(platform: PlatformProcess, { id, entries }: { id: string; entries: readonly string[] }): Promise<void> {
  const { items } = await platform.client.getRunJournal({ params: { id }, query: { limit: 1_000 } });
  expect(items.map(({ seq }) => seq)).toEqual(items.map((_, i) => i + 1));
  const steps = Map.groupBy(
    items.filter(({ nodeId }) => nodeId !== null),
    (event) => `${event.scope}/${event.nodeId ?? ""}`,
  );
  for (const [step, events] of steps) {
    expect(
      events.filter(({ kind }) => kind === "step_succeeded"),
      `${step} finished`,
    ).toHaveLength(1);
    const executed = entries.filter((entry) => entry === `${id}${step}`).length;
    const asked = count(events, "step_parked");
    if (count(events, "step_started") === 0) continue;
    expect(executed, `${step} ran at least once`).toBeGreaterThanOrEqual(1);
    // Only a call that was in flight at a kill may run again: a `once` step after its question, the free one by itself.
    if (!step.endsWith("/free")) expect(executed, `${step} ran again only when asked about`).toBeLessThanOrEqual(1 + asked);
    const last = events.findIndex(({ kind }) => kind === "step_succeeded");
    expect(events.slice(last + 1), `${step} after its end`).toEqual([]);
  }
}

const count = (events: readonly JournalEvent[], kind: JournalEvent["kind"]): number => events.filter((event) => event.kind === kind).length;
