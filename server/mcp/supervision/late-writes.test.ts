import { describe, expect, test } from "vitest";
import { AppError } from "#server/kernel/errors.ts";
import { silentLog } from "#server/kernel/log.ts";
import { createLateWrites } from "./late-writes.ts";

const gone = (): AppError => new AppError("database_unavailable", "It is gone.");

/** A database that is there or not, and what it has stored. */
function arrange() {
  const database = { isThere: true, tries: 0, stored: [] as string[] };
  const writes = createLateWrites({ log: silentLog, everyMs: 1 });
  const write = (key: string, value: string): Promise<boolean> =>
    writes.write(key, async () => {
      database.tries += 1;
      await Promise.resolve();
      if (!database.isThere) throw gone();
      database.stored.push(value);
    });
  const until = async (fits: () => boolean): Promise<void> => {
    while (!fits()) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  return { database, writes, write, until };
}

describe("writes of what has happened", () => {
  test("are made until they succeed; whoever asks waits for the first attempt only", async () => {
    const { database, writes, write, until } = arrange();
    database.isThere = false;
    expect(await write("a", "1")).toBe(false);
    await until(() => database.tries > 3);
    database.isThere = true;
    await until(() => database.stored.length > 0);
    const { tries } = database;
    expect(await write("b", "2")).toBe(true);
    expect([database.stored, database.tries]).toEqual([["1", "2"], tries + 1]);
    await writes.stop();
  });

  test("of one key are made one after the other, and of those that wait only the newest", async () => {
    const { database, writes, write, until } = arrange();
    database.isThere = false;
    await write("a", "1");
    const [second, third] = [write("a", "2"), write("a", "3")];
    database.isThere = true;
    expect(await Promise.all([second, third])).toEqual([true, true]);
    await until(() => database.stored.includes("3"));
    expect(database.stored).toEqual(["3"]);
    await writes.stop();
  });

  test("are not made again when the database refuses them, and end with the platform", async () => {
    const { database, writes, write } = arrange();
    let refused = 0;
    expect(
      await writes.write("a", () => {
        refused += 1;
        return Promise.reject(new Error("a foreign key"));
      }),
    ).toBe(false);
    database.isThere = false;
    expect(await write("b", "1")).toBe(false);
    await writes.stop();
    database.isThere = true;
    expect(await write("b", "2")).toBe(false);
    expect([refused, database.stored]).toEqual([1, []]);
  });
});
