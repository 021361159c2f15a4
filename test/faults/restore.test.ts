import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backup, readConfig, restore, type Config } from "#server/main.ts";
import { Arena } from "#test/support/faults/arena.ts";
import { readLedger } from "#test/support/faults/evidence.ts";
import { saveWorkload } from "#test/support/faults/workload.ts";
import { random, SEEDS } from "#test/support/random.ts";

describe.each(SEEDS)("a backup that is restored, seed %s", (seed) => {
  const next = random(seed);
  const folder = mkdtempSync(join(tmpdir(), "auterity-restored-"));
  let arena: Arena;
  beforeAll(async () => {
    arena = await Arena.start(seed, ["all"]);
  });
  afterAll(async () => {
    await arena.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const configOf = (database: string): Config =>
    readConfig({ ...arena.environment(database), AUTERITY_DATA_DIR: join(folder, database), NODE_ENV: "test" });

  test("F37: the runs of that moment go on; what was in flight is asked about, what happened since happens under the same key", async () => {
    const [original] = arena.workers;
    const workflows = await saveWorkload(arena);
    const ids = await Promise.all(
      Array.from({ length: 22 }, (_, i) =>
        arena.startRun({ workflowId: workflows[i % workflows.length] ?? "", input: { delayMs: 20 + Math.floor(next() * 200) } }),
      ),
    );
    await pause(200 + next() * 300);
    const file = join(folder, "moment.backup");
    const atBackup = new Set(readLedger(arena.ledgerFile).map(({ key }) => key));
    await backup(configOf("arena"), file);
    arena.history.mark("backup");
    await arena.settle(30_000);
    await arena.verdict({ overBy: Date.now() });
    await original?.kill();

    await arena.postgres.createDatabase("restored");
    await restore(configOf("restored"), file);
    arena.history.mark("restored");
    await arena.lookInto("restored");
    arena.accept(...ids);
    await arena.addWorker({ database: "restored" });
    await arena.expireLeases();
    await arena.settle(30_000);
    const all = readLedger(arena.ledgerFile);
    // As a receiver sees it that knows a key again.
    const ledger = [...new Map(all.map((line) => [line.key, line])).values()];
    const { answers } = await arena.verdict({ overBy: Date.now(), ledger });
    expect(answers.size).toBeGreaterThanOrEqual(ids.length);
    const repeated = all.filter(({ key }, i) => all.findIndex((line) => line.key === key) !== i).map(({ key }) => key);
    const once = new Set(
      [...answers.values()].flatMap(({ journal }) =>
        journal.flatMap((event) => (event.kind === "step_started" && event.body.effect === "once" ? [event.body.key] : [])),
      ),
    );
    const before = repeated.filter((key) => once.has(key) && atBackup.has(key));
    expect(before, "what had happened before the backup is not repeated").toEqual([]);
  });
});
