import { expect, test } from "vitest";
import { measureMap } from "../../bench/scale/map.ts";
import { throwAwayPostgres } from "../../bench/support/throw-away-postgres.ts";

const ITEMS = process.env["AUTERITY_TEST_DEPTH"] === "full" ? 100_000 : 3_000;

/** In a process and a database of its own, so that nothing else is in the memory that is measured. */
test(
  "a map grows the memory by 50 MiB at most, keeps each result in its place and each failure with its item",
  { timeout: 900_000 },
  async () => {
    const postgres = await throwAwayPostgres();
    try {
      const report = await measureMap(await postgres.createDatabase("map"), ITEMS);
      expect(report).toMatchObject({ items: ITEMS, wrong: 0 });
      expect(report.grownBy).toBeLessThan(50);
      expect(report.leftBehind).toBeLessThan(25);
    } finally {
      await postgres.stop();
    }
  },
);
