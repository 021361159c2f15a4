import { expect, test } from "vitest";
import { AppError } from "#server/kernel/errors.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { Database, Tx } from "#server/kernel/ports.ts";
import { createServerLogs } from "./server-logs.ts";

const OWNER = { tenantId: "t", id: "s" };

/** A log over a database in memory, which answers when `answers` does. */
function arrange() {
  const written: string[] = [];
  const world = { written, answers: (): Promise<unknown> => Promise.resolve() };
  const tx: Tx = {
    query: async (text, values) => {
      if (text.includes("insert")) written.push(...(values?.[3] as string[]));
      return [];
    },
  };
  const asTenant: Database["asTenant"] = async (_tenantId, fn) => {
    await world.answers();
    return fn(tx);
  };
  const database = { asTenant } as Database;
  const redactor = { text: (text: string) => text, json: (value: never) => value };
  const logs = createServerLogs({ database, redactor, log: silentLog, now: () => new Date(), flushMs: 1 });
  return { world, logs };
}

test("lines that the database is too slow for are counted, not heaped up", async () => {
  const { world, logs } = arrange();
  const hang = Promise.withResolvers<void>();
  world.answers = () => hang.promise;
  for (let i = 0; i < 2_000; i += 1) {
    logs.add(OWNER, "stderr", `line ${i}`);
    if (i % 200 === 199) await new Promise((resolve) => setTimeout(resolve, 3));
  }
  hang.resolve();
  await logs.close();
  // Those of the write that hung, and those that waited for it.
  expect(world.written).toHaveLength(401);
  expect(world.written.at(-1)).toBe("1600 lines dropped");
});

test("lines are kept while the database is gone, the first ones of more than that, and nobody is tried in vain for each server", async () => {
  const { world, logs } = arrange();
  let tries = 0;
  world.answers = () => {
    tries += 1;
    return Promise.reject(new AppError("database_unavailable", "It is gone."));
  };
  for (let i = 0; i < 150; i += 1) logs.add(OWNER, "stderr", `before ${i}`);
  logs.add({ tenantId: "t", id: "other" }, "stderr", "of another server");
  await logs.flush();
  expect(tries).toBe(1);
  for (let i = 0; i < 150; i += 1) logs.add(OWNER, "stderr", `meanwhile ${i}`);
  await logs.flush();
  world.answers = () => Promise.resolve();
  await logs.close();
  expect(world.written.filter((line) => line.startsWith("before"))).toHaveLength(150);
  expect(world.written.filter((line) => line.startsWith("meanwhile"))).toHaveLength(50);
  expect(world.written).toEqual(expect.arrayContaining(["100 lines dropped", "of another server"]));
});
